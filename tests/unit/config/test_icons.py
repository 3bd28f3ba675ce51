"""Template tags that draw icons."""

from __future__ import annotations

from django.template import Context, Template
from django.template.base import TextNode
from heroicons.templatetags.heroicons import heroicon_mini, heroicon_outline

LOAD = "{% load icons %}"


def test_an_icon_that_the_template_names_is_text_of_the_template() -> None:
    template = Template(LOAD + '{% heroicon_outline "eye" size=18 class="eye-open" %}')
    assert isinstance(template.nodelist[-1], TextNode)
    assert template.render(Context()) == heroicon_outline("eye", size=18, **{"class": "eye-open"})


def test_an_icon_that_the_page_names_is_drawn_for_it() -> None:
    template = Template(LOAD + "{% heroicon_mini icon size=size %}")
    for icon, size in (("key", 18), ("key", 20), ("trash", 20)):
        assert template.render(Context({"icon": icon, "size": size})) == heroicon_mini(icon, size=size)
    assert Template(LOAD + '{% heroicon_mini "K"|lower|add:"ey" %}').render(Context()) == heroicon_mini("key")
