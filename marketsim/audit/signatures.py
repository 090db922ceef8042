"""Who vouches for a head: Ed25519 signatures on C2SP signed notes, and the keys as texts."""

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any

import msgspec

from marketsim.saga.errors import InputError, quoted

__all__ = [
    "KEY_BYTES_MAX",
    "Key",
    "Note",
    "Signature",
    "Signer",
    "check_signature",
    "make_key",
    "parse_note",
    "parse_signer",
    "parse_verifier_key",
    "sign_note",
]

KEY_BYTES_MAX = 4096
"""How long the text of a key may be."""

_ED25519 = b"\x01"
_SIGNATURES_MAX = 100
_NAME = re.compile(r"[^\s+]{1,255}")
_PRIVATE = "PRIVATE+KEY+"


class Key(msgspec.Struct, frozen=True):
    """What a stranger needs to check a signature: a name, and the 32 bytes of a public key."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The first 4 bytes of SHA-256(name ‖ newline ‖ 0x01 ‖ public key)."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """The verifier key: name, id in hex and base64(0x01 ‖ public key), joined by plus signs."""
        return f"{self.name}+{self.id.hex()}+{b64encode(_ED25519 + self.public).decode()}"


class Signer:
    """A private key that shows itself to nobody: of it, only what belongs to the ``key`` is printed."""

    __slots__ = ("_seed", "key")

    def __init__(self, name: str, seed: bytes) -> None:
        self._seed = seed
        self.key = Key(
            name, _ed25519().Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        )

    def __repr__(self) -> str:
        return f"Signer({self.key})"

    def text(self) -> str:
        """The private key as it stands in its file; nothing else may have it."""
        return f"{_PRIVATE}{self.key.name}+{self.key.id.hex()}+{b64encode(_ED25519 + self._seed).decode()}"

    def sign(self, message: bytes) -> bytes:
        """Sign, and return the 64 bytes of the signature."""
        signature: bytes = _ed25519().Ed25519PrivateKey.from_private_bytes(self._seed).sign(message)
        return signature


class Signature(msgspec.Struct, frozen=True):
    """One line below a note: who is said to have signed it, with which key, and the signature."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {b64encode(self.key_id + self.signature).decode()}"


class Note(msgspec.Struct, frozen=True):
    """A text, with its last newline, and the signatures below it."""

    body: str
    signatures: list[Signature]

    def __str__(self) -> str:
        return self.body + "\n" + "".join(f"{each}\n" for each in self.signatures)


def make_key(name: str) -> Signer:
    """Make a new private key; raises InputError for a name that no key can have."""
    if not _NAME.fullmatch(name) or not name.isprintable():
        todo = "use at most 255 characters, without blanks and plus signs"
        raise InputError(f"{quoted(name)} cannot name a key", todo=todo)
    return Signer(name, _ed25519().Ed25519PrivateKey.generate().private_bytes_raw())


def parse_signer(text: str, *, where: str) -> Signer:
    """Read a private key; raises InputError, which does not repeat any of it, for anything else."""
    name, key_id, seed = _fields(text.removeprefix(_PRIVATE)) or ("", b"", b"")
    if not text.startswith(_PRIVATE) or len(seed) != 32:
        raise InputError("this is no private key", where=where, todo="make one with: marketsim audit keygen")
    signer = Signer(name, seed)
    if signer.key.id != key_id:
        raise InputError("the private key was altered: its id is another one", where=where)
    return signer


def parse_verifier_key(text: str, *, where: str) -> Key:
    """Read a verifier key, ``name+id+base64``; raises InputError for anything else."""
    if _PRIVATE in text:  # Then nothing of it may be shown, whatever else it is.
        todo = "never show it; give the verifier key that belongs to it"
        raise InputError("this is a private key", where=where, todo=todo)
    name, key_id, public = _fields(text) or ("", b"", b"")
    if len(public) != 32:
        todo = "give NAME+ID+KEY, as `marketsim audit keygen` prints it, or a file with that"
        raise InputError(f"{quoted(text)} is no verifier key", where=where, todo=todo)
    key = Key(name, public)
    if key.id != key_id:
        raise InputError(f"the id of the key is {key.id.hex()}, not {key_id.hex()}", where=where)
    return key


def _fields(text: str) -> tuple[str, bytes, bytes] | None:
    """The name, the id, and the bytes behind the 0x01, if this has the form of a key of ours."""
    parts = text.strip().split("+", 2)
    if len(text) > KEY_BYTES_MAX or len(parts) != 3 or not _NAME.fullmatch(parts[0]):
        return None
    name, hexadecimal, encoded = parts
    data = _bytes64(encoded)
    if not re.fullmatch("[0-9a-f]{8}", hexadecimal) or data[:1] != _ED25519:
        return None
    return name, bytes.fromhex(hexadecimal), data[1:]


def parse_note(text: str) -> Note:
    """Read a signed note: what follows its last empty line are signatures.

    Raises ValueError for a text that is none; of which keys they are does not matter here.
    """
    body, end, below = text.rpartition("\n\n")
    lines = below.split("\n")[:-1]
    if not end or (below and not below.endswith("\n")):
        raise ValueError("a note ends with an empty line, and the signatures below it")
    if len(lines) > _SIGNATURES_MAX:
        raise ValueError(f"a note has at most {_SIGNATURES_MAX} signatures")
    return Note(body + "\n", [_signature(line) for line in lines])


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    data = _bytes64(encoded)
    if dash != "—" or not _NAME.fullmatch(name) or len(data) < 5:
        raise ValueError(f"{quoted(line)} is no signature")
    return Signature(name, data[:4], data[4:])


def check_signature(note: Note, key: Key) -> None:
    """Raise ValueError unless the note has a signature of this key, and each of them verifies.

    Signatures of other keys say nothing, and are passed over. Raises InputError without `cryptography`.
    """
    module = _ed25519()
    public = module.Ed25519PublicKey.from_public_bytes(key.public)
    own = [each for each in note.signatures if each.name == key.name and each.key_id == key.id]
    if not own:
        signers = ", ".join(f"{each.name}+{each.key_id.hex()}" for each in note.signatures[:3])
        raise ValueError(f"{key.name}+{key.id.hex()} has not signed it, but {signers or 'nobody has'}")
    for each in own:
        try:
            public.verify(each.signature, note.body.encode())
        except Exception as error:  # InvalidSignature, or whatever else its library has against it.
            raise ValueError(f"the signature of {key.name}+{key.id.hex()} does not verify") from error


def sign_note(note: Note, signer: Signer) -> Note:
    """Add a signature, in the place of an earlier one of the same key."""
    key = signer.key
    others = [each for each in note.signatures if (each.name, each.key_id) != (key.name, key.id)]
    own = Signature(key.name, key.id, signer.sign(note.body.encode()))
    return Note(note.body, [*others, own])


def _bytes64(text: str) -> bytes:
    """The bytes of a text in base64, in its one canonical spelling; none of any other text."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        return b""
    return data if b64encode(data).decode() == text else b""


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        what = "signatures need the package `cryptography`, which is not installed"
        raise InputError(what, todo="pip install 'marketsim[signing]'") from error
    return ed25519
