"""The words that are one token each in the demo models' vocabularies."""

from __future__ import annotations

from lens_widgets.prompts.words import NAMES, OBJECTS, PLACES

SENTENCE_STARTS: tuple[str, ...] = tuple(
    "When After Then While Later Yesterday Today One The A At He She It They Friends Both".split()
)

_IOI_OTHER = """
and the a an to at in on for of from with by was were is are it them him her his they he she who
went gave handed passed offered sent showed came walked arrived had got found bought took made saw
wanted decided said asked told thanked smiled laughed left played worked talked waited looked
drove ran sat ate carried lost opened kept liked loved met helped called brought put
place happy tired late early glad very long good great fun day time morning evening afternoon night
week because home there together back away again soon then later old new big small red blue little
friend friends teacher goodbye hello thank you both some one two
when before after while because but so that this down up into outside inside
"""

_COMMON = """
the of and to in is was for that it with as his on be at by this had not are but from or have an
they which one you were her all she there would their we him been has when who will more no if out
so said what up its about into than them can only other new some could time these two may then do
first any my now such like our over man me even most made after also did many before must through
back years where much your way well down should because each just those people how too little state
good very make world still own see men work long here get both between life being under never day
same another know while last might us great old year off come since against go came right used take
three house use again place around home small found thought went say part once high general upon
school every does got united left number course war until always away something fact water less
public put think almost hand enough far took head yet system better set told nothing night end why
called eyes find going look asked later knew point next program city business give group toward
young days let room word name side light book paper story river tree white black green open close
north south east west summer winter music money mother father child children woman food door
morning king car street letter sun moon sea land line question answer when gave give bag
ball apple drink shops park John Mary Tom James Dan Sid Martin Amy
"""

IOI_WORDS: tuple[str, ...] = tuple(
    dict.fromkeys((*NAMES, *PLACES, *OBJECTS, *SENTENCE_STARTS, *_IOI_OTHER.split()))
)
"""Single tokens of the ioi model with a leading space."""

IOI_STARTS: tuple[str, ...] = (*SENTENCE_STARTS, *NAMES)
"""Single tokens of the ioi model without a leading space as well."""

INDUCTION_WORDS: tuple[str, ...] = tuple(dict.fromkeys(_COMMON.split()))
"""Single tokens of the induction model with a leading space."""

INDUCTION_STARTS: tuple[str, ...] = SENTENCE_STARTS
"""Single tokens of the induction model without a leading space."""
