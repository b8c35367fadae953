"""Names, places and objects of indirect-object prompts: one token each in GPT-2 and the demos."""

from __future__ import annotations

MALE_NAMES: tuple[str, ...] = tuple(
    (
        "John Tom James Dan Sid Martin Paul Mark David Peter "
        "Simon Jack Henry Adam Robert Luke George Max Ben Sam"
    ).split()
)
FEMALE_NAMES: tuple[str, ...] = tuple(
    (
        "Mary Amy Anna Emma Alice Sarah Laura Kate Lucy Jane "
        "Julia Rose Grace Helen Emily Ruth Clara Nina Ella Eve"
    ).split()
)
NAMES: tuple[str, ...] = MALE_NAMES + FEMALE_NAMES

PLACES: tuple[str, ...] = tuple(
    (
        "shops park store school beach museum library market station hospital office zoo "
        "garden restaurant cafe river lake church theatre party gym kitchen farm bank house"
    ).split()
)

OBJECTS: tuple[str, ...] = tuple(
    (
        "bag ball drink apple orange book ring bone basketball computer necklace snack letter key "
        "map coat hat cake umbrella egg ticket gift pen cup phone camera flower toy box coin"
    ).split()
)
