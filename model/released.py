"""The authors' released autoencoder: its checkpoint read into this project's modules.

The release is `{"model": state_dict}`, a pickle read with `weights_only=True`. It holds LaGeM's
autoencoder (levels 1 to 3 as `networks.0` to `networks.2`) and no cascade. Its modules compute what
ours do, under other names (docs/paper.md); tests/parity holds both against each other.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from zipfile import is_zipfile

import torch
from torch import Tensor

from model.autoencoder import AutoEncoder
from model.config import AutoEncoderConfig, LevelConfig, ModelConfig
from model.nn.embeddings import axis_frequencies

RELEASED_TOKENS = (128, 512, 2048)
"""M_3, M_2, M_1 of the release, coarse to fine: the weights themselves do not tell them."""

HEAD_CHANNELS = 64

_BASIS = "point_embed.basis"
_SHOWN = 24  # names listed in an error

_BLOCK = (
    (r"\.norm\.", ".0.norm."),  # first: later rules write this name too
    (r"\.attention\.", ".0.fn."),
    (r"\.norm_query\.", ".0.norm."),
    (r"\.norm_context\.", ".0.norm_context."),
    (r"\.norm_feed_forward\.", ".1.norm."),
    (r"\.feed_forward\.expand\.", ".1.fn.net.0."),
    (r"\.feed_forward\.project\.", ".1.fn.net.2."),
)
_QUERY = ((r"\.attention\.", ".fn."), (r"\.norm_query\.", ".norm."))
_PLACES = (
    (r"^point_embedding\.projection", "point_embed.mlp"),
    (r"^upsamples", "upsample_blocks"),
    (r"^query_attentions", "decoder_cross_attn"),
    (r"^to_logit", "to_outputs"),
    (r"\.downsample\.", ".cross_attend_blocks."),
    (r"\.bottleneck\.down\.", ".pre_bottleneck_proj."),
    (r"\.bottleneck\.up\.", ".post_bottleneck_proj."),
    (r"\.bottleneck\.", "."),
)


class ReleasedCheckpointError(ValueError):
    """A file that is not the released checkpoint; the message names the cause."""


def load_released(
    path: Path, *, name: str, tokens: tuple[int, ...] = RELEASED_TOKENS
) -> tuple[ModelConfig, AutoEncoder]:
    """Read a released checkpoint of any width that is a multiple of 64.

    Args:
        path: the `.pth` file.
        name: of the model in the config.
        tokens: latent vectors of each level, coarse to fine.

    Raises:
        ReleasedCheckpointError: no such checkpoint, or tensors missing, unexpected or misshapen.
        ConfigError: sizes that cannot be.
    """
    tensors = _read(path)
    config = _config(tensors, name, tokens)
    with torch.device("meta"):
        autoencoder = AutoEncoder(config.autoencoder)
    names = {key: released_name(key, len(tokens)) for key in autoencoder.state_dict()}
    _require_same_names({*names.values(), _BASIS}, set(tensors))
    _require_same_shapes(autoencoder.state_dict(), names, tensors)
    _require_numbers(tensors)
    if not torch.allclose(tensors[_BASIS].float(), axis_frequencies(), rtol=1e-5):
        raise ReleasedCheckpointError(
            f"{_BASIS} is not the basis of the release (2^k pi for k = 0..7 on each axis): the "
            "point embedding of these weights is another one"
        )
    values = {key: tensors[released].float() for key, released in names.items()}
    autoencoder.load_state_dict(values, assign=True)
    return config, autoencoder.eval().requires_grad_(False)


def released_name(key: str, levels: int) -> str:
    """What the release calls a parameter of `AutoEncoder` with so many levels."""
    rules = _QUERY if key.startswith("query_attentions") else _BLOCK
    for pattern, released in (*rules, *_PLACES):
        key = re.sub(pattern, released, key)
    # Ours count from the coarsest level, the release from the finest.
    return re.sub(r"^levels\.(\d+)", lambda at: f"networks.{levels - 1 - int(at[1])}", key)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except pickle.UnpicklingError:
        raise ReleasedCheckpointError(
            f"{path} is refused: it is no torch checkpoint, or holds other things than tensors, "
            "which could run code"
        ) from None
    except Exception as error:  # noqa: BLE001 - an unpickler raises anything on other bytes
        cause = str(error).partition("\n")[0]
        raise ReleasedCheckpointError(f"{path} is no whole torch checkpoint: {cause}") from None
    tensors = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(tensors, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in tensors.items()
    ):
        raise ReleasedCheckpointError(
            f"{path} holds no state dict under 'model', as the released checkpoint does"
        )
    return dict(tensors)


def _config(tensors: Mapping[str, Tensor], name: str, tokens: tuple[int, ...]) -> ModelConfig:
    """The sizes that the tensors tell, and those that they do not."""
    widths = {
        key: tensors[key].shape[0] if key in tensors and tensors[key].ndim else None
        for key in ("point_embed.mlp.weight", *(f"networks.{i}.gamma" for i in range(len(tokens))))
    }
    if missing := {key for key, width in widths.items() if width is None}:
        raise ReleasedCheckpointError(
            f"not a LaGeM autoencoder of {len(tokens)} levels: missing {_listing(missing)}"
        )
    width, *channels = (size or 0 for size in widths.values())
    layers = [
        len({key.split(".")[3] for key in tensors if key.startswith(f"networks.{i}.layers.")})
        for i in range(len(tokens))
    ]
    return ModelConfig(
        name=name,
        version="released",
        licence="MIT",
        autoencoder=AutoEncoderConfig(
            channels=width,
            head_channels=HEAD_CHANNELS,
            levels=tuple(
                LevelConfig(*sizes)
                for sizes in zip(tokens, channels[::-1], layers[::-1], strict=True)
            ),
        ),
    )


def _require_same_names(expected: set[str], found: set[str]) -> None:
    problems = [
        f"{word} {_listing(names)}"
        for word, names in (("missing", expected - found), ("unexpected", found - expected))
        if names
    ]
    if problems:
        raise ReleasedCheckpointError(f"not the released layout: {'; '.join(problems)}")


def _require_same_shapes(
    ours: Mapping[str, Tensor], names: Mapping[str, str], tensors: Mapping[str, Tensor]
) -> None:
    wrong = [
        f"{released} {tuple(tensors[released].shape)} instead of {tuple(ours[key].shape)}"
        for key, released in names.items()
        if tensors[released].shape != ours[key].shape
    ]
    if wrong:
        raise ReleasedCheckpointError(f"tensors of unexpected shapes: {_listing(wrong)}")


def _require_numbers(tensors: Mapping[str, Tensor]) -> None:
    wrong = {
        name
        for name, tensor in tensors.items()
        if tensor.layout != torch.strided
        or tensor.is_meta
        or not tensor.is_floating_point()
        or not tensor.isfinite().all()
    }
    if wrong:
        raise ReleasedCheckpointError(f"not finite real numbers: {_listing(wrong)}")


def _listing(names: set[str] | list[str]) -> str:
    shown = sorted(names)[:_SHOWN]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
