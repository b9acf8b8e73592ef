"""Names of languages for people, and their tags for browsers.

Usage: `name_of("ur_pk")` is `"Urdu"`, `tag_of("cmn_hans_cn")` is `"zh-Hans-CN"`.
"""

from data.languages import FLEURS_TO_WHISPER, UNSPACED

# English names by Whisper code.
# fmt: off
NAMES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "as": "Assamese", "az": "Azerbaijani",
    "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "bs": "Bosnian", "ca": "Catalan",
    "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "gl": "Galician", "gu": "Gujarati", "ha": "Hausa", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "is": "Icelandic",
    "it": "Italian", "ja": "Japanese", "jw": "Javanese", "ka": "Georgian", "kk": "Kazakh",
    "km": "Khmer", "kn": "Kannada", "ko": "Korean", "lb": "Luxembourgish", "ln": "Lingala",
    "lo": "Lao", "lt": "Lithuanian", "lv": "Latvian", "mi": "Maori", "mk": "Macedonian",
    "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay", "mt": "Maltese",
    "my": "Burmese", "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "oc": "Occitan",
    "pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sd": "Sindhi", "sk": "Slovak", "sl": "Slovenian", "sn": "Shona",
    "so": "Somali", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil",
    "te": "Telugu", "tg": "Tajik", "th": "Thai", "tl": "Tagalog", "tr": "Turkish",
    "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "yo": "Yoruba",
    "yue": "Cantonese", "zh": "Chinese",
}
# fmt: on
TAGS = {"jw": "jv"}  # Whisper codes that are no language tags of the web


def code_of(language: str) -> str:
    """The Whisper code of a FLEURS language; itself where the table does not have it."""
    return FLEURS_TO_WHISPER.get(language, language)


def name_of(language: str) -> str:
    """English name of a FLEURS language; its code where there is none."""
    return NAMES.get(code_of(language), language)


def tag_of(language: str, task: str = "transcribe") -> str:
    """BCP 47 tag of the text that a task makes of a language: fonts and voices go by it.

    Args:
        language: FLEURS code.
        task: transcribe, or translate, whose text is English.
    """
    if task == "translate":
        return "en"
    head, *rest = language.split("_")
    code = code_of(language) if language in FLEURS_TO_WHISPER else head
    parts = [part.title() if len(part) == 4 else part.upper() for part in rest]
    return "-".join([TAGS.get(code, code), *parts])


def unit_of(language: str, task: str) -> str:
    """What errors are counted in: `words` or `characters`."""
    spaced = task == "translate" or code_of(language) not in UNSPACED
    return "words" if spaced else "characters"
