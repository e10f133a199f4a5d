"""The three tiny models: how large each is, and how an untrained one is made. Idefics3, as SmolVLM is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

IMAGE, START, END, PAD = "<image>", "<|im_start|>", "<end_of_utterance>", "<pad>"
VOCABULARY = 1024
CONTEXT = 2048
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """One model: its name, and what makes it unlike the others."""

    name: str
    seed: int
    side: int
    """Pixels of the square that each picture is brought to."""
    patch: int
    vision_layers: int
    text_layers: int
    hidden: int = 128

    @property
    def grid(self) -> int:
        """Patches in a row and in a column."""
        return self.side // self.patch

    @property
    def tokens(self) -> int:
        """Tokens of one picture: four patches each."""
        return (self.grid // 2) ** 2


SHAPES = (
    Shape("tiny-a", seed=1, side=168, patch=14, vision_layers=4, text_layers=2),
    Shape("tiny-b", seed=2, side=144, patch=12, vision_layers=2, text_layers=3),
    Shape("tiny-c", seed=3, side=192, patch=16, vision_layers=3, text_layers=2),
)


def tokenizer(texts: Sequence[str]) -> Any:
    """Byte-level BPE, trained on the texts: what is always the same becomes few tokens, any other text can be written.

    Quotes, digits, lines and the labels of verdicts are tokens of their own: a label's probability is one token's,
    and what a grammar forces, up to a quote, is spelled as it is without one.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    found = Tokenizer(models.BPE())
    apart = Regex(r'\d|\n|"|(?<=")(?:normal|anomalous|cannot tell)(?=")')
    pieces = pre_tokenizers.Split(apart, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    found.pre_tokenizer = pre_tokenizers.Sequence(list(pieces))
    found.decoder = decoders.ByteLevel()
    rows = [f"<row_{row}_col_{col}>" for row in range(1, 7) for col in range(1, 7)]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END, IMAGE, "<fake_token_around_image>", "<global-img>", *rows],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    found.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=found,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        model_max_length=CONTEXT,
        extra_special_tokens={"image_token": IMAGE},
    )


def processor(shape: Shape, words: Any) -> Any:
    """What turns pictures and words into tensors for a model of that shape."""
    from transformers import Idefics3ImageProcessorPil, Idefics3Processor

    edge = {"longest_edge": shape.side}
    pictures = Idefics3ImageProcessorPil(size=edge, max_image_size=edge, do_image_splitting=False)
    return Idefics3Processor(pictures, words, image_seq_len=shape.tokens, chat_template=TEMPLATE)


def untrained(shape: Shape, words: Any) -> Any:
    """An Idefics3 of that shape with random weights that follow from its seed."""
    import torch
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration

    size = {"hidden_size": shape.hidden, "intermediate_size": 2 * shape.hidden}
    config = Idefics3Config(
        vision_config={
            **size,
            "model_type": "idefics3_vision",
            "num_hidden_layers": shape.vision_layers,
            "num_attention_heads": shape.hidden // 32,
            "image_size": shape.side,
            "patch_size": shape.patch,
            "hidden_act": "relu",
        },
        text_config={
            **size,
            "model_type": "llama",
            "vocab_size": len(words),
            "num_hidden_layers": shape.text_layers,
            "num_attention_heads": shape.hidden // 32,  # heads of 32: vLLM has no smaller ones on CPU
            "num_key_value_heads": shape.hidden // 32,
            "max_position_embeddings": CONTEXT,
            "bos_token_id": words.bos_token_id,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
            "tie_word_embeddings": False,
        },
        image_token_id=words.convert_tokens_to_ids(IMAGE),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=False,
    )
    torch.manual_seed(shape.seed)
    model = Idefics3ForConditionalGeneration(config)
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    return model
