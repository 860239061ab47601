"""Models at providers that a new server knows; none is on offer before the operator says so.

Inputs are those of the providers' published schemas. Prices are what public pages of 2026 said, an
estimate for limits until the operator has seen a bill.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

ANIMATE_PROMPT = (
    "The people in this old photograph come alive: they blink, breathe and smile gently, with"
    " natural subtle motion of heads and hair. The camera holds still, faces stay as they are."
    " {wish}"
)
RESTORE_PROMPT = (
    "Restore this old photograph: remove scratches, stains, dust and fading, make it sharp, with"
    " natural colours. Keep every face, pose and background exactly as they are. {wish}"
)
NEGATIVE_PROMPT = "distorted face, morphing, extra people, extra fingers, text, camera shake"

# name: in flight, creates a minute, currency, and what it may cost in a day
ENGINES: dict[str, tuple[int, int, str, Decimal]] = {
    "replicate": (100, 300, "USD", Decimal(50)),
    # A new account at fal runs two at once and lets the others wait.
    "fal": (40, 120, "USD", Decimal(50)),
    "polza": (40, 60, "RUB", Decimal(5000)),
    "comfyui": (4, 60, "USD", Decimal(0)),
}


def engines() -> list[dict[str, Any]]:
    """Rows of `engines`."""
    columns = ("max_in_flight", "creates_per_minute", "currency", "daily_cost")
    return [{"name": name, **dict(zip(columns, ENGINES[name], strict=True))} for name in ENGINES]


def _animate(*about: Any, prompt: str = ANIMATE_PROMPT, seconds: int = 90, **more: Any) -> Any:
    return _model("animate", *about, prompt=prompt, seconds=seconds, **more)


def _restore(*about: Any, prompt: str = "", seconds: int = 20, **more: Any) -> Any:
    return _model("restore", *about, prompt=prompt, seconds=seconds, **more)


def _model(
    service_type: str,
    name: str,
    engine: str,
    model: str,
    template: dict[str, Any],
    texts: tuple[str, str],
    price: tuple[int, str],
    **more: Any,
) -> dict[str, Any]:
    """texts: title and description; price: tokens for the customer, and what a run costs us."""
    return {
        "name": name,
        "service_type": service_type,
        "engine": engine,
        "title": texts[0],
        "description": texts[1],
        "recipe": {"model": model, "template": template},
        "prompt": more["prompt"],
        "price_tokens": Decimal(price[0]),
        "price_rub": Decimal(price[0] * 10),
        "run_cost": Decimal(price[1]),
        "run_currency": ENGINES[engine][2],
        "usual_seconds": more["seconds"],
        "fallback_position": more.get("fallback"),
        "active": False,
        "is_default": False,
    }


_POLZA_PHOTO = [{"type": "base64", "data": "{photo}"}]

MODELS: list[dict[str, Any]] = [
    _animate(
        "kling-2.5-replicate",
        "replicate",
        "kwaivgi/kling-v2.5-turbo-pro",
        {
            "prompt": "{prompt}",
            "start_image": "{photo}",
            "duration": 5,
            "negative_prompt": NEGATIVE_PROMPT,
        },
        ("Оживление Kling 2.5 Pro", "Живая мимика и движение, 5 секунд, высокое качество"),
        (25, "0.35"),
        fallback=10,
        seconds=120,
    ),
    _animate(
        "kling-2.1-replicate",
        "replicate",
        "kwaivgi/kling-v2.1",
        {
            "mode": "standard",
            "prompt": "{prompt}",
            "start_image": "{photo}",
            "duration": 5,
            "negative_prompt": NEGATIVE_PROMPT,
        },
        ("Оживление Kling 2.1", "Живая мимика и движение, 5 секунд, 720p"),
        (20, "0.25"),
        seconds=150,
    ),
    _animate(
        "wan-2.2-replicate",
        "replicate",
        "wan-video/wan-2.2-i2v-fast",
        {"image": "{photo}", "prompt": "{prompt}", "num_frames": 81, "resolution": "480p"},
        ("Быстрое оживление Wan 2.2", "Движение всей сцены, 5 секунд, 480p, меньше чем за минуту"),
        (12, "0.05"),
        seconds=45,
    ),
    _animate(
        "wan-2.5-replicate",
        "replicate",
        "wan-video/wan-2.5-i2v-fast",
        {"image": "{photo}", "prompt": "{prompt}", "duration": 5, "resolution": "720p"},
        ("Оживление Wan 2.5", "Движение всей сцены, 5 секунд, 720p"),
        (20, "0.40"),
    ),
    _animate(
        "hailuo-2.3-replicate",
        "replicate",
        "minimax/hailuo-2.3-fast",
        {
            "first_frame_image": "{photo}",
            "prompt": "{prompt}",
            "duration": 6,
            "resolution": "768p",
        },
        ("Оживление Hailuo 2.3", "Выразительные эмоции, 6 секунд, 768p"),
        (20, "0.19"),
    ),
    _animate(
        "seedance-lite-replicate",
        "replicate",
        "bytedance/seedance-1-lite",
        {"image": "{photo}", "prompt": "{prompt}", "duration": 5, "resolution": "480p"},
        ("Оживление Seedance Lite", "Плавное движение, 5 секунд, 480p"),
        (15, "0.18"),
    ),
    _animate(
        "seedance-pro-replicate",
        "replicate",
        "bytedance/seedance-1-pro",
        {"image": "{photo}", "prompt": "{prompt}", "duration": 5, "resolution": "1080p"},
        ("Оживление Seedance Pro", "Плавное движение, 5 секунд, 1080p"),
        (50, "0.75"),
        seconds=150,
    ),
    _animate(
        "kling-2.5-fal",
        "fal",
        "fal-ai/kling-video/v2.5-turbo/standard/image-to-video",
        {
            "prompt": "{prompt}",
            "image_url": "{photo}",
            "duration": "5",
            "negative_prompt": NEGATIVE_PROMPT,
        },
        ("Оживление Kling 2.5", "Живая мимика и движение, 5 секунд"),
        (20, "0.21"),
        fallback=20,
    ),
    _animate(
        "kling-2.5-pro-fal",
        "fal",
        "fal-ai/kling-video/v2.5-turbo/pro/image-to-video",
        {
            "prompt": "{prompt}",
            "image_url": "{photo}",
            "duration": "5",
            "negative_prompt": NEGATIVE_PROMPT,
        },
        ("Оживление Kling 2.5 Pro", "Живая мимика и движение, 5 секунд, высокое качество"),
        (25, "0.35"),
        seconds=120,
    ),
    _animate(
        "hailuo-2.3-fal",
        "fal",
        "fal-ai/minimax/hailuo-2.3-fast/standard/image-to-video",
        {"prompt": "{prompt}", "image_url": "{photo}", "duration": "6"},
        ("Оживление Hailuo 2.3", "Выразительные эмоции, 6 секунд"),
        (20, "0.19"),
    ),
    _animate(
        "wan-2.2-fal",
        "fal",
        "fal-ai/wan/v2.2-a14b/image-to-video/turbo",
        {"image_url": "{photo}", "prompt": "{prompt}", "resolution": "480p"},
        ("Быстрое оживление Wan 2.2", "Движение всей сцены, 5 секунд, 480p, меньше чем за минуту"),
        (12, "0.10"),
        seconds=45,
    ),
    _animate(
        "seedance-fast-fal",
        "fal",
        "fal-ai/bytedance/seedance/v1/pro/fast/image-to-video",
        {
            "prompt": "{prompt}",
            "image_url": "{photo}",
            "duration": "5",
            "resolution": "720p",
            "camera_fixed": True,
        },
        ("Оживление Seedance Fast", "Плавное движение, 5 секунд, неподвижная камера"),
        (20, "0.30"),
    ),
    _animate(
        "kling-2.5-polza",
        "polza",
        "kling/v2.5-turbo",
        {"prompt": "{prompt}", "images": _POLZA_PHOTO, "duration": "5"},
        ("Оживление Kling 2.5", "Живая мимика и движение, 5 секунд"),
        (20, "31.5"),
        fallback=30,
    ),
    _animate(
        "seedance-2-polza",
        "polza",
        "bytedance/seedance-2",
        {"prompt": "{prompt}", "images": _POLZA_PHOTO, "duration": "5", "resolution": "480p"},
        ("Оживление Seedance 2", "Плавное движение, 5 секунд, 480p"),
        (25, "71.25"),
    ),
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
        {"prompt": "{prompt}", "images": _POLZA_PHOTO},
        ("Реставрация по пожеланию", "Царапины, цвет и ваши пожелания словами"),
        (10, "5"),
        fallback=30,
        prompt=RESTORE_PROMPT,
    ),
]
