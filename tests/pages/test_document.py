"""Tests of the page that is one file."""

import json
import re

from next_jax.pages import document

HOSTILE = "</script><script>alert(1)</script><!-- \u2028 & ]]>"


def test_a_lone_surrogate_does_not_stop_the_page():
  assert json.loads(document.embed_json({"fix": "\ud800"})) == {"fix": "\ud800"}
  document.embed_json({"fix": "\ud800"}).encode("utf-8")


def test_nothing_in_the_data_or_the_title_ends_its_element():
  text = document.document(title="</title><b>", body="<p>", data={"a": HOSTILE}, styles=[], scripts=[])
  assert text.count("</title>") == 1 and text.count("<script") == 2 and "<!--" not in text
  embedded = re.search(rf'id="{document.DATA_ID}">(.*?)</script>', text, re.S)[1]
  assert json.loads(embedded) == {"a": HOSTILE}


def test_the_browser_is_told_to_load_nothing():
  text = document.document(title="t", body="", data=None, styles=[], scripts=[])
  assert "default-src 'none'" in text and "http:" not in text and "https:" not in text
