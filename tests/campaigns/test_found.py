"""What the fuzz campaign found, each as a small file: once a crash, a hang or a bomb, now a sentence."""

from __future__ import annotations

import io
import json
import struct
import time
import tokenize
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save, save_file
from starlette.datastructures import Headers

from bauta import zoo
from bauta.attacks import ALL as ATTACKS
from bauta.errors import BadCheckpoint, BadFile, BadImage, BautaError, MissingData, UsageError
from bauta.estimators.tfjs import read_tfjs
from bauta.faces.datasets.bins import InsightFacePack, parse
from bauta.faces.datasets.records import HEAD, LABELS, MAGIC, InsightFaceRecords
from bauta.faces.images import MAX_SCANS, decode, scans
from bauta.generators import AutoencoderPrior, StyleGAN2
from bauta.generators.autoencoder import SETTINGS
from bauta.generators.prior import read_codes
from bauta.job.featurestore import open_database
from bauta.job.journal import Journal
from bauta.protections import ALL as PROTECTIONS
from bauta.recognizers.checkpoints import read_state
from bauta.recognizers.trainable import RECIPE, WEIGHTS
from bauta.spec import parse as parse_spec
from bauta.study import records
from bauta.study.audit import scores
from bauta.study.audit.asking import asked
from bauta.study.reported import reported, stated
from bauta.train.run import load_pipeline
from bauta.web.jobs import Job
from bauta.web.security import TOKEN, Guard, Refused

DEEP = b'{"a":' * 100_000


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    """None of these takes long any more."""
    began = time.process_time()
    yield
    assert time.process_time() - began < 8


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


GRAY = Image.new("RGB", (24, 18), "gray")


class TestPictures:
    def test_pages_without_end_are_not_counted(self) -> None:
        step, pages = 2 + 12 * 4 + 4, 100_000
        tags = ((256, 4, 1, 1), (257, 4, 1, 1), (258, 3, 1, 8), (273, 4, 1, 8))
        entry = struct.pack("<H", 4) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        body = b"".join(entry + struct.pack("<I", 8 + step * (n + 1)) for n in range(pages))
        with pytest.raises(BadImage, match="holds several pictures"):
            decode(b"II*\0\x08\0\0\0" + body, "x.tiff")

    def test_a_jpeg_of_endless_scans(self) -> None:
        data = saved(GRAY, "JPEG", progressive=True, comment=b"\xff\xda" * 50)
        start = data.index(b"\xff\xda", data.index(b"\xff\xc2"))
        assert scans(data) == 10
        assert scans(data + b"\xff\xda" * 50) == 10
        assert scans(saved(GRAY, "JPEG", restart_marker_blocks=1)) == 1
        with pytest.raises(BadImage, match=f"more than {MAX_SCANS} scans"):
            decode(data[:start] + data[start:-2] * 11 + data[-2:], "x.jpg")

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
    def test_a_picture_of_several_strips_is_what_pillow_sees(self, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
        values = np.random.default_rng(0).integers(0, 256, (37, 24, 4), dtype=np.uint8)
        photo = Image.fromarray(values).convert(mode)
        monkeypatch.setattr("bauta.faces.images.STRIP", 5 * 24)
        came = decode(saved(photo, "PNG"), "x.png").image.numpy()
        pixels = np.asarray(photo.convert("RGBA")).astype(np.float64) / 255
        wanted = pixels[..., :3] * pixels[..., 3:] + 1 - pixels[..., 3:]
        np.testing.assert_allclose(came, wanted.transpose(2, 0, 1), atol=1e-6)


def rezipped(data: bytes, change: Callable[[str, bytes], bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", kind) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return made.getvalue()


def endless() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["state_dict"] = made
    return made


class TestWeights:
    @pytest.mark.parametrize(
        ("value", "says"),
        [
            (torch.ones(1).expand(10**5, 10**5), "much larger than itself"),
            (torch.ones(1).double().expand(10**5, 10**5), "much larger than itself"),
            (torch.zeros(2, 2).to_sparse(), "not dense real numbers"),
            (torch.empty(4, 4, device="meta"), "not dense real numbers"),
            (torch.zeros(4, 4, dtype=torch.complex64), "not dense real numbers"),
        ],
    )
    def test_tensors_that_are_larger_than_their_file(self, tmp_path: Path, value: torch.Tensor, says: str) -> None:
        path = tmp_path / "network.pt"
        torch.save({"a": value}, path)
        for read in (read_state, read_codes):
            with pytest.raises(BadCheckpoint, match=says):
                read(path)

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"architecture": "compact_ir", "options": {"units": [10**9, 1, 1, 1]}}, "at most 300 units"),
            ({"architecture": "compact_plain", "options": {"units": [10**9, -(10**9), 1, 1]}}, "at most 300 units"),
            ({"architecture": "compact_ir", "options": {"units": [1] * 500}}, "at most 300 units"),
            ({"architecture": "compact_ir", "options": {"widths": [10**9] * 4}}, "does not fit|cannot be built"),
            ({"options": {"width": 125}}, "does not fit"),
            ({"options": {"width": 10**400}}, "cannot be built"),
            ({"options": {"width": float("inf")}}, "cannot be built"),
            ({"protections": 7}, "protections must be a list of texts"),
            ({"protections": "DCTDP()"}, "protections must be a list of texts"),
            ({"protections": [3]}, "protections must be a list of texts"),
        ],
    )
    def test_a_recipe_gets_no_network_of_any_size(self, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
        said = {"architecture": "mobilefacenet", "options": {"width": 0.125}, "protections": []}
        (tmp_path / RECIPE).write_text(json.dumps(said | changes))
        save_file({"layers.stem.conv.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / WEIGHTS)
        with pytest.raises((BadCheckpoint, UsageError), match=says):
            load_pipeline(tmp_path)

    def test_a_packed_checkpoint_is_no_bomb(self, tmp_path: Path) -> None:
        file = io.BytesIO()
        torch.save({"a": torch.zeros(10**6)}, file)
        (tmp_path / "network.pt").write_bytes(rezipped(file.getvalue(), lambda name, data: data, zipfile.ZIP_DEFLATED))
        with pytest.raises(BadCheckpoint, match="unpacks to much more than itself"):
            read_state(tmp_path / "network.pt")

    @pytest.mark.parametrize("old", [False, True])
    def test_a_class_of_an_endless_name(self, tmp_path: Path, old: bool) -> None:
        """torch.load would search its own message for minutes."""
        file = io.BytesIO()
        torch.save({"a": torch.zeros(3)}, file, _use_new_zipfile_serialization=not old)
        data, name = file.getvalue(), b"ctorch._utils\n"
        if old:
            data = data.replace(name, b"c" + b"x" * 200_000 + b"\n")
        else:
            data = rezipped(data, lambda n, d: d.replace(name, b"c" + b"x" * 200_000 + b"\n"))
        (tmp_path / "network.pt").write_bytes(data)
        with pytest.raises(BadCheckpoint, match="names a class by 200,0"):
            read_state(tmp_path / "network.pt")

    def test_a_table_that_holds_itself(self, tmp_path: Path) -> None:
        torch.save(endless(), tmp_path / "network.pt")
        with pytest.raises(BadCheckpoint, match="holds no state dict"):
            read_state(tmp_path / "network.pt")

    @pytest.mark.parametrize(
        ("shape", "says"), [([2**62, 0], "cannot be understood"), ([2**62] * 31, "end within"), ([0], "cannot be")]
    )
    def test_a_manifest_of_impossible_shapes(self, tmp_path: Path, shape: list[int], says: str) -> None:
        entry = {"name": "a", "shape": shape, "dtype": "float32"}
        (tmp_path / "model.json").write_text(json.dumps([{"paths": ["shard"], "weights": [entry]}]))
        (tmp_path / "shard").write_bytes(b"")
        with pytest.raises(BadFile, match=says):
            read_tfjs(tmp_path / "model.json")

    @pytest.mark.parametrize(
        ("shards", "says"),
        [(["x" * 300], "plain file names"), (["shard"] * 1000, "lists a shard twice"), (["a\0b"], "is not here")],
    )
    def test_a_manifest_of_impossible_shards(self, tmp_path: Path, shards: list[str], says: str) -> None:
        (tmp_path / "model.json").write_text(json.dumps([{"paths": shards, "weights": []}]))
        (tmp_path / "shard").write_bytes(b"")
        with pytest.raises(BautaError, match=says):
            read_tfjs(tmp_path / "model.json")

    @pytest.mark.parametrize("stem", ["convs.{}.activate.bias", "to_rgbs.{}.bias", "style.{}.weight"])
    def test_a_generator_of_any_size(self, tmp_path: Path, stem: str) -> None:
        names = ("style.1.weight", "conv1.conv.weight", "to_rgb1.bias", "input.input")
        whole = {name: torch.zeros(1, 1) for name in names} | {
            f"convs.{i}.conv.weight": torch.zeros(1, 1) for i in range(0, 50, 2)
        }
        save_file(whole | {stem.format(i): torch.zeros(1, 1) for i in range(25)}, tmp_path / "style.safetensors")
        with pytest.raises(BadCheckpoint, match=r"does not fit|no StyleGAN2 has|half of a StyleGAN2"):
            StyleGAN2(tmp_path / "style.safetensors")
        wide = {**whole, "conv1.conv.weight": torch.zeros(1, 300_000)}
        save_file(wide, tmp_path / "wide.safetensors")
        with pytest.raises(BadCheckpoint, match="does not fit"):
            StyleGAN2(tmp_path / "wide.safetensors")

    def test_settings_of_a_prior_reserve_nothing(self, tmp_path: Path) -> None:
        about = json.dumps({"latent": 10**6, "widths": [10**5, 10**5, 8, 8]})
        (tmp_path / "weights.safetensors").write_bytes(save({"mean_": torch.zeros(1)}, {SETTINGS: about}))
        with pytest.raises(BadFile, match="is no generator"):
            AutoencoderPrior(tmp_path / "weights.safetensors")


class TestSets:
    def test_a_pack_that_repeats_a_text(self) -> None:
        text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
        encode = b"c_codecs\nencode\nq\0" + text + b"X\x06\0\0\0latin1\x86q\1"
        program = encode + b"]q\2(" + b"h\0h\1R" * 20_000 + b"e](" + b"\x88" * 10_000 + b"e\x86."
        with pytest.raises(BadFile, match="unpacks to more than itself"):
            parse(program, "lfw.bin")

    def test_a_pack_of_many_small_pictures(self, tmp_path: Path) -> None:
        many = 30_000
        pictures = b"".join(b"C\4" + struct.pack("<I", i) for i in range(2 * many))
        (tmp_path / "lfw.bin").write_bytes(b"](" + pictures + b"e](" + b"\x88" * many + b"e\x86.")
        pack = InsightFacePack(tmp_path / "lfw.bin")
        with pytest.warns(UserWarning, match="8 of 8 pictures"), pytest.raises(MissingData, match="gave no face"):
            pack.faces(8)

    def test_a_record_in_endless_pieces(self, tmp_path: Path) -> None:
        def piece(kind: int, content: bytes = b"") -> bytes:
            return HEAD.pack(MAGIC, kind << 29 | len(content)) + content

        first = piece(1, LABELS.pack(0, 1, 0, 0))
        (tmp_path / "train.rec").write_bytes(first + piece(2) * 300_000 + piece(3, b"last"))
        with pytest.raises(BadFile, match="has no whole record"):
            InsightFaceRecords(tmp_path / "train.rec")

    def test_one_picture_under_many_keys(self, tmp_path: Path) -> None:
        content = LABELS.pack(0, 1, 0, 0) + bytes(4 << 20)
        (tmp_path / "train.rec").write_bytes(HEAD.pack(MAGIC, len(content)) + content)
        (tmp_path / "train.idx").write_text("".join(f"{key}\t0\n" for key in range(100_000)))
        with pytest.raises(BadFile, match="one place to several records"):
            InsightFaceRecords(tmp_path / "train.rec")


class TestOwnFiles:
    @pytest.mark.parametrize(
        "change", [{"system": {}}, {"value": [1.0]}, {"value": "0.5"}, {"n": 1.5}, {"seed": None}, {"settings": []}]
    )
    def test_a_row_of_wrong_types(self, tmp_path: Path, change: dict[str, object]) -> None:
        good = records.facts(records.Row("cell", "system", "attack", "attack", "AUC", 0.5))
        (tmp_path / "rows.jsonl").write_text(json.dumps({**good, **change}) + "\n")
        with pytest.raises(BadFile, match=r"rows.jsonl, line 1, is not a row of a study"):
            list(records.read(tmp_path / "rows.jsonl"))

    @pytest.mark.parametrize("change", [{"knows": "EVERYTHING"}, {"cell": "a at everything / b"}])
    def test_a_row_of_a_threat_model_that_is_none(self, tmp_path: Path, change: dict[str, object]) -> None:
        row = records.facts(records.Row("a / b", "PMT()", "attack", "RecFace()", "AUC", 0.5, knows="SCHEME"))
        (tmp_path / "rows.jsonl").write_text(json.dumps({**row, **change}) + "\n")
        with pytest.raises(BadFile, match="state no threat model that there is"):
            reported(tmp_path)

    @pytest.mark.parametrize("line", [b"\xff\xfe{\0", b'{"cell": "\xe4"}', DEEP])
    def test_a_row_that_is_no_json(self, tmp_path: Path, line: bytes) -> None:
        (tmp_path / "rows.jsonl").write_bytes(line + b"\n")
        with pytest.raises(BadFile, match="line 1, is not a row"):
            records.resume(tmp_path / "rows.jsonl")

    @pytest.mark.parametrize("text", [DEEP, b'{"versions": [1]}', b'{"versions": "x"}'])
    def test_settings_of_a_study_that_are_none(self, tmp_path: Path, text: bytes) -> None:
        (tmp_path / "settings.json").write_bytes(text)
        with pytest.raises(BadFile, match="holds no settings of a study"):
            stated(tmp_path / "settings.json")

    @pytest.mark.parametrize(
        "facts",
        [{"by": [1.5]}, {"by": [["a"]]}, {"thresholds": {"mine": "x"}}, {"thresholds": 3}, {"system": 3}, {"by": []}],
    )
    def test_scores_that_are_none(self, tmp_path: Path, facts: dict[str, object]) -> None:
        good = {"system": "PMT()", "by": ["mine"], "thresholds": {"mine": 0.3}}
        tensors = {"same": torch.ones(8).byte(), "cosines": torch.zeros(1, 8)}
        save_file(tensors, tmp_path / "x.safetensors", {"scores": json.dumps({**good, **facts})})
        with pytest.raises(BadFile, match="holds no scores"):
            scores.read(tmp_path / "x.safetensors")

    def test_journals_and_tables_that_are_too_deep(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made = Journal(tmp_path / "home", tmp_path / "out")
        made.path.parent.mkdir()
        made.path.write_bytes(DEEP + b"\n")
        with pytest.raises(BadFile, match="is not a journal"):
            made.begin({}, None)
        monkeypatch.setenv("BAUTA_HOME", str(tmp_path))
        (tmp_path / "registered.json").write_bytes(DEEP)
        with pytest.raises(BadFile, match="cannot be read as JSON"):
            zoo.registered_weights()

    @pytest.mark.parametrize("content", [[], 1.5, "x", None])
    def test_registered_things_that_are_no_table(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object
    ) -> None:
        monkeypatch.setenv("BAUTA_HOME", str(tmp_path))
        (tmp_path / "mine.pt").write_bytes(b"mine")
        (tmp_path / "registered.json").write_text(json.dumps({"weights": content, "datasets": content}))
        steps: list[Callable[[], object]] = [
            zoo.registered_weights,
            zoo.registered_datasets,
            lambda: zoo.forget("mine"),
            lambda: zoo.register("mine", tmp_path / "mine.pt", "mobileface-v3"),
        ]
        for step in steps:
            with pytest.raises(BadFile, match=r"registered\.json holds"):
                step()

    def test_databases_that_are_others(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "several.npz", a=np.zeros(3))
        (tmp_path / "several.npz").rename(tmp_path / "several.npy")
        head = "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3), }"
        for name, text in (("cut.npy", head[:-1] + "("), ("less.npy", head)):
            (tmp_path / name).write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + bytes(64))
        with pytest.raises(tokenize.TokenError):  # what NumPy makes of it
            np.load(tmp_path / "cut.npy")
        (tmp_path / "zip.npy").write_bytes(b"PK\3\4" + bytes(99))
        for name in ("several.npy", "cut.npy", "less.npy", "zip.npy"):
            with pytest.raises(BautaError, match=rf"{name} (is no whole|must hold)"):
                open_database(tmp_path / name)


class TestWords:
    @pytest.mark.parametrize("text", ["MinusFace(1j)", "ClientHolder(b'x')"])
    def test_a_part_that_takes_its_option_for_something_else(self, text: str) -> None:
        with pytest.raises(UsageError, match=r"has an option of the wrong type: .* has no attribute"):
            parse_spec(text, (*PROTECTIONS, *ATTACKS))

    @pytest.mark.parametrize("text", ["PMT(x='" + "9" * 4000 + "')", "~nobody-of-that-name"])
    def test_a_spec_that_no_folder_can_be_called(self, text: str) -> None:
        with pytest.raises(UsageError, match=r"does not take that|begins with a name"):
            asked(text)

    def test_a_length_of_thousands_of_digits(self) -> None:
        guard = Guard(lambda *_: None, token="token", port=80)
        given = {"host": "127.0.0.1:80", "origin": "http://127.0.0.1:80", TOKEN: "token", "content-length": "9" * 5000}
        with pytest.raises(Refused, match="more than the 65,536 bytes"):
            guard.check("POST", "/api/wipe", Headers(given))

    def test_a_message_is_one_line_that_ends(self) -> None:
        said = str(BadFile("a\x1b[31m\nb\u202e" + "x" * 100_000))
        assert said.startswith("a [31m b x")
        assert len(said) < 4000

    def test_a_picture_by_a_number_that_is_no_file_name(self, tmp_path: Path) -> None:
        job = Job("0" * 32, "apply", "", tmp_path, {}, [])
        for number in (0, -1, int("1" * 300)):
            with pytest.raises(MissingData, match="no such picture"):
                job.picture(number, "file")
