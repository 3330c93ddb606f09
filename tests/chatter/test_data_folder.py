import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from chatter.data import DataFolder
from chatter.errors import StartError


def test_the_secret_is_made_once_and_kept(tmp_path):
    data = DataFolder(tmp_path / "a" / "data")
    secret = data.secret()
    assert len(secret) == 64
    assert DataFolder(tmp_path / "a" / "data").secret() == secret
    assert DataFolder(tmp_path / "b").secret() != secret
    assert [path.name for path in data.path.iterdir()] == ["secret"]


def test_the_secret_is_for_the_owner_only(tmp_path):
    data = DataFolder(tmp_path / "data")
    data.secret()
    (data.path / "secret").chmod(0o644)
    data.secret()
    assert stat.S_IMODE((data.path / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.path.stat().st_mode) == 0o700


def test_servers_that_start_at_once_agree(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: DataFolder(tmp_path / "data").secret(), range(32)))
    assert len(secrets) == 1


@pytest.mark.parametrize("content", ["", "short", "x" * 31 + "\n"])
def test_a_short_secret_is_refused(tmp_path, content):
    (tmp_path / "secret").write_text(content)
    with pytest.raises(StartError, match="shorter than 32 bytes: delete the file"):
        DataFolder(tmp_path).secret()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StartError, match=r"DATA_DIR\) cannot be made"):
            DataFolder(folder).prepare()


def test_a_secret_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "secret").mkdir()
    with pytest.raises(StartError, match="cannot be kept"):
        DataFolder(tmp_path).secret()


def test_the_secrets_before_are_on_further_lines(tmp_path):
    (tmp_path / "secret").write_text("n" * 32 + "\n" + "o" * 32 + "\n")
    data = DataFolder(tmp_path)
    assert (data.secret(), data.previous_secrets()) == ("n" * 32, ["o" * 32])
    (tmp_path / "secret").write_text("n" * 32 + "\nshort\n")
    with pytest.raises(StartError, match="shorter than 32 bytes"):
        data.previous_secrets()
