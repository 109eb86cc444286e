"""Reading documents that anybody may have sent."""

import time

import pytest

from virtbus.errors import TooLarge, XmlError
from virtbus.xml import LIMIT, parse_document

BILLION = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    + "]><domain>&j;</domain>"
)
QUADRATIC = f'<!DOCTYPE x [<!ENTITY a "{"A" * 100_000}">]><domain>{"&a;" * 10_000}</domain>'
IN_ATTRIBUTE = BILLION.replace("<domain>&j;</domain>", "<domain name='&j;'/>")
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><domain>&a;</domain>'
PARAMETER = '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]><domain/>'

HOSTILE = {
    "billion laughs": BILLION,
    "quadratic blow-up": QUADRATIC,
    "billion laughs in an attribute": IN_ATTRIBUTE,
    "external entity": EXTERNAL,
    "parameter entity": PARAMETER,
    "external subset": '<!DOCTYPE domain SYSTEM "http://127.0.0.1:9/x.dtd"><domain/>',
    "plain doctype": "<!DOCTYPE domain><domain/>",
    "depth 100000": "<a>" * 100_000 + "</a>" * 100_000,
    "depth 250": "<a>" * 250 + "</a>" * 250,
    "undefined entity": "<domain>&nbsp;</domain>",
    "unclosed": "<domain><name>x</domain>",
    "empty": "",
    "blank": "   ",
    "no XML": "not XML at all",
    "null byte": "<domain>\x00</domain>",
    "lone surrogate": "<domain>\ud800</domain>",
    "two roots": "<domain/><domain/>",
    "repeated attribute": "<domain type='kvm' type='qemu'/>",
    "unknown prefix": "<qemu:commandline/>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_at_once(name: str) -> None:
    begun = time.process_time()
    with pytest.raises((XmlError, TooLarge)) as refused:
        parse_document(HOSTILE[name])
    assert time.process_time() - begun < 0.5
    if isinstance(refused.value, XmlError):
        assert refused.value.evidence["line"] >= 1
        assert refused.value.evidence["path"]


def test_no_entity_reaches_the_host() -> None:
    with pytest.raises(XmlError, match="document type"):
        parse_document(EXTERNAL)


@pytest.mark.parametrize("document", ["<a>" + "x" * LIMIT + "</a>", ("<a>" + "x" * LIMIT + "</a>").encode()])
def test_a_document_above_the_limit_is_too_large(document: str | bytes) -> None:
    with pytest.raises(TooLarge) as refused:
        parse_document(document)
    assert refused.value.status == 413


def test_the_limit_counts_bytes_not_characters() -> None:
    with pytest.raises(TooLarge):
        parse_document("<a>" + "ü" * (LIMIT // 2) + "</a>")


def test_the_line_of_a_syntax_error_is_told() -> None:
    with pytest.raises(XmlError) as refused:
        parse_document("<domain>\n  <name>\n</domain>")
    assert refused.value.evidence["line"] == 3
    assert refused.value.hint


@pytest.mark.parametrize(
    "document",
    [
        "<?xml version='1.0' encoding='UTF-16'?><name>Grüße</name>",
        "<?xml version='1.0' encoding='ISO-8859-1'?><name>Grüße</name>".encode("iso-8859-1"),
        "<name>Grüße</name>".encode(),
    ],
)
def test_the_encoding_of_a_string_is_its_own_and_that_of_bytes_is_declared(document: str | bytes) -> None:
    assert parse_document(document).text == "Grüße"


def test_a_doctype_in_a_comment_or_in_text_is_none() -> None:
    assert parse_document("<a><!-- <!DOCTYPE x> --></a>").tag == "a"
    assert parse_document("<a><![CDATA[<!DOCTYPE x>]]></a>").text == "<!DOCTYPE x>"


def test_nesting_up_to_the_limit_is_read() -> None:
    assert parse_document("<a>" * 220 + "</a>" * 220).tag == "a"
    with pytest.raises(XmlError):
        parse_document("<a>" * 5 + "</a>" * 5, depth=4)
