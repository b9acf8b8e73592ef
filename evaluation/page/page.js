// Plays parts of the recording: whatever has data-from and data-to, and any place of a waveform.
(() => {
  let end = Infinity;
  let timer = 0;

  const audio = () => document.querySelector("#drawn audio");

  function show() {
    const sound = audio();
    if (!sound) return;
    for (const strip of document.querySelectorAll(".strip")) {
      const { begin, seconds } = strip.dataset;
      const share = (sound.currentTime - begin) / seconds;
      strip.style.setProperty("--now", `${100 * Math.min(Math.max(share, 0), 1)}%`);
      strip.classList.toggle("playing", !sound.paused && share >= 0 && share <= 1);
    }
    const button = document.querySelector("#drawn .play");
    if (button) button.textContent = sound.paused ? "Play" : "Pause";
    for (const word of document.querySelectorAll(".lane [data-from], .segments [data-from]")) {
      const { from, to } = word.dataset;
      const isSaid = !sound.paused && sound.currentTime >= from && sound.currentTime < to;
      word.classList.toggle("said", isSaid);
    }
    if (sound.currentTime >= end) sound.pause();
    timer = sound.paused ? 0 : requestAnimationFrame(show);
  }

  function play(from, to) {
    const sound = audio();
    if (!sound) return;
    end = to;
    sound.currentTime = from;
    sound.play().then(() => { timer = timer || requestAnimationFrame(show); }, () => {});
  }

  document.addEventListener("click", (event) => {
    const part = event.target.closest("[data-from]");
    if (part) {
      const sound = audio();
      if (part.classList.contains("play") && sound && !sound.paused) return sound.pause();
      return play(Number(part.dataset.from), Number(part.dataset.to));
    }
    const strip = event.target.closest(".strip");
    if (!strip) return;
    const box = strip.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    play(Number(strip.dataset.begin) + share * strip.dataset.seconds, Infinity);
  });
})();
