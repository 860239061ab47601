"""The photos the net is trained on: public domain or CC0 only, each with its evidence."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Some pictures of one package and why they may be used."""

    package: str
    """The package as its client names it, with the version if the client pins one."""
    client: str
    """apt, pip or npm."""
    folder: str
    """Where the pictures lie inside the package; for a Qt resource, the file itself."""
    names: tuple[str, ...]
    """Empty for a Qt resource, whose own credits tell which of its photos are free."""
    licence: str
    evidence: str
    weight: int
    """How many times as often as the rarest picture each of these is drawn."""


SOURCES = (
    Source(
        package="scikit-image==0.26.0",
        client="pip",
        folder="skimage/data",
        names=(
            "brick.png",
            "cell.png",
            "clock_motion.png",
            "coins.png",
            "grass.png",
            "gravel.png",
            "ihc.png",
            "microaneurysms.png",
            "retina.jpg",
            "rocket.jpg",
            "text.png",
        ),
        licence="CC0 or public domain",
        evidence="docstrings of skimage.data: CC0, 'public domain' or 'no known copyright'",
        weight=1,
    ),
    Source(
        package="matplotlib==3.11.2",
        client="pip",
        folder="matplotlib/mpl-data/sample_data",
        names=("grace_hopper.jpg",),
        licence="public domain",
        evidence="official portrait of Commodore Hopper: a work of the United States Navy",
        weight=24,
    ),
    Source(
        package="freecol",
        client="apt",
        folder="usr/share/games/freecol/default/resources/images/monarch",
        names=(
            "charles.png",
            "elizabeth.png",
            "felipe.png",
            "frederik.png",
            "geronimo.png",
            "louis.png",
            "louis2.png",
            "manuel.png",
            "moctezuma.png",
            "philip.png",
            "pierre.png",
            "segoyewatha.png",
            "wahktageli.png",
            "william.png",
        ),
        licence="public domain",
        evidence="debian/copyright, monarch/*: 'downloaded from Wikimedia', 'public domain'",
        weight=5,
    ),
    *(
        Source(
            package="gcompris-qt-data",
            client="apt",
            folder=f"usr/share/gcompris-qt/rcc/{activity}.rcc",
            names=(),
            licence="public domain or CC0-1.0",
            evidence="credits inside the resource, one for each photo; `credited_as_free` reads it",
            weight=1,
        )
        for activity in ("categorization", "explore_monuments", "explore_world_animals")
    ),
    Source(
        package="lomiri-wallpapers-16.04",
        client="apt",
        folder="usr/share/backgrounds",
        names=("seeding_by_Clements_Engelhardt.jpg",),
        licence="CC0-1.0",
        evidence="debian/copyright, its own paragraph",
        weight=4,
    ),
    Source(
        package="mypaint-data-extras",
        client="apt",
        folder="usr/share/mypaint/backgrounds",
        names=(
            "mrmamurk/mamurk_a_1.png",
            "mrmamurk/mamurk_a_2.png",
            "mrmamurk/mamurk_e_2.png",
            "mrmamurk/mamurk_f_1.png",
            "ramon/HR_Canvas 01.png",
            "ramon/HR_Cork.png",
            "ramon/HR_PastelPaper 01.png",
            "ramon/HR_RoughPaper.png",
            "ramon/HR_WaterColor.png",
        ),
        licence="CC0-1.0",
        evidence="debian/copyright, backgrounds/mrmamurk/* and backgrounds/ramon/*",
        weight=1,
    ),
    Source(
        package="@pmndrs/assets@1.7.0",
        client="npm",
        folder="package/hdri",
        names=(
            "apartment.exr.js",
            "bridge.exr.js",
            "city.exr.js",
            "dawn.exr.js",
            "esplanade.exr.js",
            "forest.exr.js",
            "hall.exr.js",
            "lab.exr.js",
            "lobby.exr.js",
            "night.exr.js",
            "park.exr.js",
            "sky.exr.js",
            "studio.exr.js",
            "sunrise.exr.js",
            "sunset.exr.js",
            "venice.exr.js",
            "warehouse.exr.js",
            "workshop.exr.js",
        ),
        licence="CC0-1.0",
        evidence="LICENSE of the package",
        weight=2,
    ),
)

HELD_OUT = (
    Source(
        package="scikit-image==0.26.0",
        client="pip",
        folder="skimage/data",
        names=("astronaut.png", "camera.png", "chelsea.png", "coffee.png"),
        licence="CC0 or public domain",
        evidence="docstrings of skimage.data",
        weight=1,
    ),
    *(
        Source(
            package="gcompris-qt-data",
            client="apt",
            folder=f"usr/share/gcompris-qt/rcc/{activity}.rcc",
            names=(),
            licence="public domain or CC0-1.0",
            evidence="credits inside the resource",
            weight=1,
        )
        for activity in ("erase", "explore_farm_animals", "explore_world_music")
    ),
)
"""Photos no net was trained on: what `evaluate_damage_mask` measures with."""
