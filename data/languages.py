"""The one table of FLEURS languages and their Whisper codes.

Usage: `whisper_language("ko_kr")` is `"ko"`. Imports nothing heavy: the configuration is checked
with it.
"""

import difflib
from collections.abc import Iterable

from common.cli import UserError

# The 83 languages of FLEURS that Whisper knows. The code is the part before the first underscore
# but for cmn_hans_cn (zh), nb_no (no), fil_ph (tl) and jv_id (jw, Whisper's spelling). Only
# checkpoints with 100 languages (the large-v3 family) have `yue`: whoever uses a checkpoint
# compares with its `lang_to_id`.
# fmt: off
FLEURS_TO_WHISPER: dict[str, str] = {
    "af_za": "af", "am_et": "am", "ar_eg": "ar", "as_in": "as", "az_az": "az", "be_by": "be",
    "bg_bg": "bg", "bn_in": "bn", "bs_ba": "bs", "ca_es": "ca", "cmn_hans_cn": "zh", "cs_cz": "cs",
    "cy_gb": "cy", "da_dk": "da", "de_de": "de", "el_gr": "el", "en_us": "en", "es_419": "es",
    "et_ee": "et", "fa_ir": "fa", "fi_fi": "fi", "fil_ph": "tl", "fr_fr": "fr", "gl_es": "gl",
    "gu_in": "gu", "ha_ng": "ha", "he_il": "he", "hi_in": "hi", "hr_hr": "hr", "hu_hu": "hu",
    "hy_am": "hy", "id_id": "id", "is_is": "is", "it_it": "it", "ja_jp": "ja", "jv_id": "jw",
    "ka_ge": "ka", "kk_kz": "kk", "km_kh": "km", "kn_in": "kn", "ko_kr": "ko", "lb_lu": "lb",
    "ln_cd": "ln", "lo_la": "lo", "lt_lt": "lt", "lv_lv": "lv", "mi_nz": "mi", "mk_mk": "mk",
    "ml_in": "ml", "mn_mn": "mn", "mr_in": "mr", "ms_my": "ms", "mt_mt": "mt", "my_mm": "my",
    "nb_no": "no", "ne_np": "ne", "nl_nl": "nl", "oc_fr": "oc", "pa_in": "pa", "pl_pl": "pl",
    "ps_af": "ps", "pt_br": "pt", "ro_ro": "ro", "ru_ru": "ru", "sd_in": "sd", "sk_sk": "sk",
    "sl_si": "sl", "sn_zw": "sn", "so_so": "so", "sr_rs": "sr", "sv_se": "sv", "sw_ke": "sw",
    "ta_in": "ta", "te_in": "te", "tg_tj": "tg", "th_th": "th", "tr_tr": "tr", "uk_ua": "uk",
    "ur_pk": "ur", "uz_uz": "uz", "vi_vn": "vi", "yo_ng": "yo", "yue_hant_hk": "yue",
}
# fmt: on

# In FLEURS, but not a language of any Whisper.
# fmt: off
FLEURS_ONLY = frozenset([
    "ast_es", "ceb_ph", "ckb_iq", "ff_sn", "ga_ie", "ig_ng", "kam_ke", "kea_cv", "ky_kg", "lg_ug",
    "luo_ke", "nso_za", "ny_mw", "om_et", "or_in", "umb_ao", "wo_sn", "xh_za", "zu_za",
])
# fmt: on

# Whisper codes of languages written without spaces between words.
UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue", "km"})


def near_matches(name: str, known: Iterable[str]) -> str:
    """Up to three of the `known` names most like `name`, best first, as text; empty if none is."""
    return ", ".join(difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5))


def whisper_language(fleurs: str) -> str:
    """The Whisper code of a FLEURS language.

    Raises:
        UserError: the code is not in the table; the message names it and the nearest matches.
    """
    if fleurs in FLEURS_TO_WHISPER:
        return FLEURS_TO_WHISPER[fleurs]
    reason = "is not a language of Whisper" if fleurs in FLEURS_ONLY else "is not a FLEURS code"
    near = near_matches(fleurs, FLEURS_TO_WHISPER)
    advice = f"did you mean {near}?" if near else "data/languages.py lists those that can be used"
    raise UserError(f"language {fleurs!r} {reason}: {advice}")
