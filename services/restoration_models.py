"""Models at providers that restore."""

from __future__ import annotations

from typing import Any

from services.remote_models import POLZA_PHOTO, remote_model

RESTORE_PROMPT = (
    "Restore this old photograph: remove scratches, stains, dust and fading, make it sharp, with"
    " natural colours. Keep every face, pose and background exactly as they are. {wish}"
)


def _restore(*about: Any, prompt: str = "", seconds: int = 20, **more: Any) -> Any:
    return remote_model("restore", *about, prompt=prompt, seconds=seconds, **more)


MODELS: list[dict[str, Any]] = [
    _restore(
        "restore-replicate",
        "replicate",
        "flux-kontext-apps/restore-image",
        {"input_image": "{photo}", "output_format": "jpg", "safety_tolerance": 2},
        ("Полная реставрация", "Царапины, цвет и резкость; лица могут немного измениться"),
        (10, "0.04"),
        fallback=10,
    ),
    _restore(
        "nano-banana-replicate",
        "replicate",
        "google/nano-banana",
        {"prompt": "{prompt}", "image_input": ["{photo}"], "output_format": "jpg"},
        ("Реставрация по пожеланию", "Царапины, цвет и ваши пожелания словами"),
        (10, "0.039"),
        prompt=RESTORE_PROMPT,
    ),
    _restore(
        "restore-fal",
        "fal",
        "fal-ai/image-editing/photo-restoration",
        {"image_url": "{photo}", "output_format": "jpeg", "safety_tolerance": "2"},
        ("Полная реставрация", "Царапины, цвет и резкость; лица могут немного измениться"),
        (10, "0.04"),
        fallback=20,
    ),
    _restore(
        "scratches-fal",
        "fal",
        "fal-ai/image-apps-v2/photo-restoration",
        {
            "image_url": "{photo}",
            "remove_scratches": True,
            "fix_colors": True,
            "enhance_resolution": True,
        },
        ("Реставрация царапин и цвета", "Убирает царапины, выравнивает цвет, увеличивает"),
        (10, "0.04"),
    ),
    _restore(
        "colour-fal",
        "fal",
        "fal-ai/ddcolor",
        {"image_url": "{photo}"},
        ("Раскрашивание", "Добавляет цвет чёрно-белому снимку, лица не меняет"),
        (5, "0.01"),
    ),
    _restore(
        "nano-banana-fal",
        "fal",
        "fal-ai/nano-banana/edit",
        {"prompt": "{prompt}", "image_urls": ["{photo}"], "output_format": "jpeg"},
        ("Реставрация по пожеланию", "Царапины, цвет и ваши пожелания словами"),
        (10, "0.039"),
        prompt=RESTORE_PROMPT,
    ),
    _restore(
        "enlarge-fal",
        "fal",
        "fal-ai/seedvr/upscale/image",
        {"image_url": "{photo}", "upscale_factor": 2},
        ("Увеличение", "Вдвое больше и резче, без других правок"),
        (5, "0.01"),
    ),
    _restore(
        "restore-polza",
        "polza",
        "google/gemini-2.5-flash-image",
        {"prompt": "{prompt}", "images": POLZA_PHOTO},
        ("Реставрация по пожеланию", "Царапины, цвет и ваши пожелания словами"),
        (10, "5"),
        fallback=30,
        prompt=RESTORE_PROMPT,
    ),
    _restore(
        "faces-replicate",
        "replicate",
        "tencentarc/gfpgan",
        {"img": "{photo}", "version": "v1.4", "scale": 2},
        ("Бережная реставрация лиц", "Только лица, черты остаются теми же; вдвое больше"),
        (5, "0.005"),
        version="0fbacf7afc6c144e5be9767cff80f25aff23e52b0708f17e20f9879b2f21516c",
    ),
    _restore(
        "codeformer-replicate",
        "replicate",
        "sczhou/codeformer",
        {
            "image": "{photo}",
            "codeformer_fidelity": 0.7,
            "background_enhance": True,
            "face_upsample": True,
            "upscale": 2,
        },
        ("Реставрация лиц CodeFormer", "Сильно размытые лица становятся чёткими"),
        (5, "0.005"),
        version="cc4956dd26fa5a7185d5660cc9100fab1b8070a1d1654a8bb5eb6d443b020bb2",
    ),
    _restore(
        "codeformer-fal",
        "fal",
        "fal-ai/codeformer",
        {"image_url": "{photo}", "fidelity": 0.7, "face_upscale": True, "upscale_factor": 2},
        ("Реставрация лиц CodeFormer", "Сильно размытые лица становятся чёткими"),
        (5, "0.005"),
    ),
    _restore(
        "enlarge-replicate",
        "replicate",
        "nightmareai/real-esrgan",
        {"image": "{photo}", "scale": 2, "face_enhance": False},
        ("Увеличение", "Вдвое больше и резче, без других правок"),
        (5, "0.01"),
        version="f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa",
    ),
    _restore(
        "colour-replicate",
        "replicate",
        "piddnad/ddcolor",
        {"image": "{photo}", "model_size": "large"},
        ("Раскрашивание", "Добавляет цвет чёрно-белому снимку, лица не меняет"),
        (5, "0.01"),
        version="ca494ba129e44e45f661d6ece83c4c98a9a7c774309beca01429b58fce8aa695",
    ),
]
