from prometheus_client.parser import text_string_to_metric_families

from observability.fields import Field, Table, labels_text

TABLE = Table(
    labels=("room", "who"),
    identify=lambda row: (row[0], row[1]),
    fields=(
        Field("counter", "things", "How many things", lambda row: row[2]),
        Field("gauge", "on", "Whether it is on", lambda row: row[2] > 1),
        Field("gauge", "maybe", "Not always known", lambda row: row[3]),
    ),
)


def test_a_table_is_what_prometheus_reads():
    rows = [("a", 'quo"te', 1, 0.25), ("b", "back\\slash\nline", 2**60, None)]
    families = {family.name: family for family in text_string_to_metric_families(TABLE.text(rows))}
    assert {name: family.type for name, family in families.items()} == {
        "things": "counter",
        "on": "gauge",
        "maybe": "gauge",
    }
    assert families["things"].documentation == "How many things"
    found = [(s.name, s.labels["room"], s.labels["who"], s.value) for s in families["things"].samples]
    assert found == [
        ("things_total", "a", 'quo"te', 1),
        ("things_total", "b", "back\\slash\nline", 2**60),
    ]
    assert [sample.value for sample in families["on"].samples] == [0, 1]
    assert [sample.value for sample in families["maybe"].samples] == [0.25]


def test_no_rows_are_no_samples():
    assert [family.samples for family in text_string_to_metric_families(TABLE.text([]))] == [[], [], []]
    assert labels_text((), ()) == "{}"
