"""Which version of MMAU questions are of, by their ids.

v05.15.25 replaced 106 of the 1,000 ids of test-mini; the first eight digits of those that only one of the two
has stand here, as found in the history of the authors' repository. (Their files of 15 to 18 May 2025 have new
questions under the old ids, and count as what came before.)
"""

from collections.abc import Iterable

CURRENT, BEFORE, UNKNOWN = "v05.15.25", "before v05.15.25", "unknown"


def version_of(ids: Iterable[str]) -> str:
    """The version whose ids are there; "unknown" where none tells, or both versions are mixed."""
    beginnings = {id[:8] for id in ids}
    is_new, is_old = not beginnings.isdisjoint(_ADDED), not beginnings.isdisjoint(_REMOVED)
    return UNKNOWN if is_new == is_old else CURRENT if is_new else BEFORE


def _ids(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REMOVED = _ids(
    "02256382 0475b3e9 05e8d84b 091a8108 0a6102a6 0b128410 0c7296d5 0d8da453 0dc6044b 0f0fb2a7 1825c8b1 "
    "18d8ae2d 1a3da6ab 1e38c828 1f1697bf 20c723d9 238e7f8c 238f8c0c 27dbff25 297c62ac 30c96c6c 315b5da3 "
    "3259ae56 34512d8d 36df7e0e 372f5dfe 42de147f 4436f68e 453dfda1 4adcba8a 4afcf75c 4e6eb690 4fa9bf70 "
    "567ccb54 58721515 587c0296 5a9a9ea5 5c7fb9ad 5d1bc111 5d55f273 629ba877 62bee37b 637c3e04 646e9381 "
    "6cc99ac6 6fdfa896 79e2507c 7d6245f8 7eadb798 7ec92cd7 81081c88 83b5e41e 89696774 8e54c497 96ee5028 "
    "993e180c 9a7ab55d 9c80130a 9d2ee4be 9eac0194 9fd5dade a174da20 a4c33b76 a65c509d a7742e2d aa27cb3e "
    "ad3e3993 b0985024 b1538162 b21b17ba b2344e16 b44c1f55 b4976890 c1a00c71 c3c34596 c621a74a c685bfea "
    "cb15b14e cf1a0083 cf22b64d d1d891a6 d60adeee d7654cd2 d9d16d50 da7827ea dbe87c0a dd75b3b8 de1aa451 "
    "df4aefe2 df58f989 dfdab4a7 e1bfadc9 e470859f e5d3728f e94d2e65 ea0875b3 ef3f1d9d f0912958 f197ff42 "
    "f1d28cc7 f325e55e f37b0aa6 f6a19764 f6e1a90b fe9cf836 ff30f0ea "
)
_ADDED = _ids(
    "002ebba8 014593c4 06483ca8 06f95aee 08267cd7 094092a6 0ed9d7c8 107510b7 107d1b67 17d53044 18234671 "
    "19490503 1b1df9d5 1b3edeac 1bc97ba7 1c6896a1 1d9d7024 1f4f577d 23f21925 2705d1a7 2783e849 2b1577a0 "
    "2dffdf0a 3151a7b8 35330c05 36220c27 381f854d 3c4fa8f8 41bef14f 421fcbf8 427ba822 42e35733 45abff91 "
    "479a30cf 47ae81d9 4d17b24a 4e96cbe1 54d927bb 594798f5 5b453322 5e6c9baa 672a3ea9 692ba369 6d3e431a "
    "71b00c77 71f95ca1 7235d35a 750a196d 78bf1c95 7c58f831 7d857919 7dbc57c2 7fa63d67 8105129d 832c3bd5 "
    "8399f1ff 86cd240d 87326e29 8af84161 8d0b0306 8d48495f 93c1c06a 9439b65d 976cd4b0 9b66a67f 9de3c090 "
    "9ebc1037 9f83cb33 a21ff25d a370dd7d a4643815 a6f1c137 a8c17404 aa78bd82 ae91627d af441fb6 af7e9a6f "
    "afd137ca b371a741 b86317c4 b8f25d1a bde66a57 be645c09 becaaa03 c1e78721 c2289905 c73e9517 c8802ef5 "
    "c9f57ab1 cb8fb592 cc3ba5df cde380fe cec30bc1 d052875f d0fb55d9 daa1f53f dd2f3e8d e550a355 e6e02fec "
    "ecff09e3 f37f225c f430c276 f451db46 f7b818f0 faa5e92a fb032686 "
)
