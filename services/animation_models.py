"""Models at providers that animate."""

from __future__ import annotations

from typing import Any

from services.remote_models import POLZA_PHOTO, remote_model

ANIMATE_PROMPT = (
    "The people in this old photograph come alive: they blink, breathe and smile gently, with"
    " natural subtle motion of heads and hair. The camera holds still, faces stay as they are."
    " {wish}"
)
NEGATIVE_PROMPT = "distorted face, morphing, extra people, extra fingers, text, camera shake"
# Nothing is filled in there: such a model goes on offer when its recipe names a clip of your own.
DRIVING_VIDEO = "{driving_video}"


def _animate(*about: Any, prompt: str = ANIMATE_PROMPT, seconds: int = 90, **more: Any) -> Any:
    return remote_model("animate", *about, prompt=prompt, seconds=seconds, **more)


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
        {"prompt": "{prompt}", "images": POLZA_PHOTO, "duration": "5"},
        ("Оживление Kling 2.5", "Живая мимика и движение, 5 секунд"),
        (20, "31.5"),
        fallback=30,
    ),
    _animate(
        "seedance-2-polza",
        "polza",
        "bytedance/seedance-2",
        {"prompt": "{prompt}", "images": POLZA_PHOTO, "duration": "5", "resolution": "480p"},
        ("Оживление Seedance 2", "Плавное движение, 5 секунд, 480p"),
        (25, "71.25"),
    ),
    _animate(
        "live-portrait-replicate",
        "replicate",
        "fofr/live-portrait",
        {"face_image": "{photo}", "driving_video": DRIVING_VIDEO},
        ("Мимика по образцу", "Лицо повторяет движения из ролика; фон стоит"),
        (10, "0.05"),
        prompt="",
        seconds=60,
        version="067dd98cc3e5cb396c4a9efb4bba3eec6c4a9d271211325c477518fc6485e146",
    ),
    _animate(
        "live-portrait-fal",
        "fal",
        "fal-ai/live-portrait",
        {"image_url": "{photo}", "video_url": DRIVING_VIDEO},
        ("Мимика по образцу", "Лицо повторяет движения из ролика; фон стоит"),
        (10, "0.05"),
        prompt="",
        seconds=45,
    ),
]
