"""Tiny vision-language models with random weights, written as folders that transformers and vLLM load.

They prove that pictures, words and log-probabilities take their way; what they say means nothing.

    folder = idefics3(tmp_path / "eye", seed=1)   # 1 MB each, a second
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIDE, PATCH, HIDDEN = 64, 8, 64
IMAGE = "<image>"
START, END, PAD = "<|im_start|>", "<end_of_utterance>", "<pad>"
VOCABULARY = 640

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

WORDS = """
You judge what a camera saw. Is this normal or anomalous? Answer with one JSON object that follows the schema.
{"label": "normal", "p_anomaly": 0.25, "severity": 2, "facts": [{"subject": "person 3", "attribute": "speed"}]}
{"label": "anomalous", "rationale": "somebody runs across the path", "rules": ["r1"], "caption": "a cart is left"}
People walk and stand. Nothing rides, runs, or is left behind. true false null system user assistant
"""


def idefics3(folder: Path, seed: int = 0, layers: int = 2, hidden: int = HIDDEN) -> Path:
    """An Idefics3 of two layers: 64 x 64 pixels a picture, 16 tokens each, no splitting of pictures.

    `hidden` is the width of both its parts, a multiple of 32; with more layers it makes a model that takes its time.
    """
    import torch
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessorPil,
        Idefics3Processor,
    )

    rows = [f"<row_{row}_col_{col}>" for row in range(1, 7) for col in range(1, 7)]
    tokenizer = _tokenizer("<fake_token_around_image>", "<global-img>", *rows)
    config = Idefics3Config(
        vision_config={**_vision(layers, hidden), "model_type": "idefics3_vision"},
        text_config=_text(tokenizer, layers, hidden),
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    model = Idefics3ForConditionalGeneration(config)
    edge = {"longest_edge": SIDE}
    pictures = Idefics3ImageProcessorPil(size=edge, max_image_size=edge, do_image_splitting=False)
    tokens = (SIDE // PATCH // 2) ** 2
    return _write(folder, model, Idefics3Processor(pictures, tokenizer, image_seq_len=tokens, chat_template=TEMPLATE))


def llava(folder: Path, seed: int = 0, layers: int = 2) -> Path:
    """A LLaVA of two layers: 64 x 64 pixels a picture, 64 tokens each."""
    import torch
    from transformers import CLIPImageProcessorPil, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = _tokenizer()
    config = LlavaConfig(
        vision_config={**_vision(layers), "model_type": "clip_vision_model", "projection_dim": HIDDEN},
        text_config=_text(tokenizer, layers),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=(SIDE // PATCH) ** 2,
        vision_feature_layer=-1,
    )
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config)
    sides = {"height": SIDE, "width": SIDE}
    pictures = CLIPImageProcessorPil(size=sides, crop_size=sides)
    processor = LlavaProcessor(
        pictures,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    return _write(folder, model, processor)


def llama(folder: Path, seed: int = 0, *, template: bool = True) -> Path:
    """A Llama of two layers that reads words only, with or without a chat template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer()
    tokenizer.chat_template = TEMPLATE if template else None
    torch.manual_seed(seed)
    return _write(folder, LlamaForCausalLM(LlamaConfig(**_text(tokenizer, 2))), tokenizer)


def _tokenizer(*special: str) -> Any:
    """Byte-level BPE, trained on the spot: any text can be written, JSON in a few tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END, IMAGE, *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS * 3], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        model_max_length=4096,
        extra_special_tokens={"image_token": IMAGE},
    )


def _vision(layers: int, hidden: int = HIDDEN) -> dict[str, Any]:
    shape = {"hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": layers}
    # A larger spread than usual: with random weights a picture has to change what is said.
    return {
        **shape,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": PATCH,
        "initializer_range": 0.2,
    }


def _text(tokenizer: Any, layers: int, hidden: int = HIDDEN) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 32,  # heads of 32: vLLM has no smaller ones on CPU
        "num_key_value_heads": hidden // 32,
        "max_position_embeddings": 4096,
        "initializer_range": 0.2,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
    }


def _write(folder: Path, model: Any, processor: Any) -> Path:
    model.generation_config.eos_token_id = model.config.get_text_config().eos_token_id
    model.generation_config.pad_token_id = model.config.get_text_config().pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
