"""ropes.json: what Transformers turns heads by, for every kind of rope.

ropes: {config, length, cos, sin}: config is a config.json's, cos and sin those of positions 0, 1, 7 and length - 1 of a text of that length.
"""
import torch
import transformers as hf
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from golden import array, write

SIZES = {"vocab_size": 8, "hidden_size": 64, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 64}
LONG = {"short_factor": [1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0, 2.5], "long_factor": [1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 16.0]}
KINDS = [
    {"rope_type": "default"},
    {"rope_type": "linear", "factor": 4.0},
    {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 8.0, "beta_slow": 2.0, "truncate": False},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "attention_factor": 0.7},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "mscale": 1.0, "mscale_all_dim": 0.8},
    {"rope_type": "longrope", "original_max_position_embeddings": 32, **LONG},
    {"rope_type": "longrope", "original_max_position_embeddings": 32, "factor": 8.0, **LONG},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
    {"rope_type": "proportional", "partial_rotary_factor": 0.25},
    {"rope_type": "proportional", "partial_rotary_factor": 0.6, "factor": 2.0},
]
ropes = []
for kind in KINDS:
    for length in (20, 100):
        own = SIZES | {"rope_parameters": {"rope_theta": 100.0, **kind}}
        config = hf.LlamaConfig(**own)
        if kind["rope_type"] == "default":
            frequencies, factor = 1.0 / 100.0 ** (torch.arange(0, 16, 2) / 16), 1.0
        else:
            frequencies, factor = ROPE_INIT_FUNCTIONS[kind["rope_type"]](config, torch.device("cpu"), seq_len=length)
        angles = torch.tensor([0, 1, 7, length - 1])[:, None] * frequencies.float()
        ropes.append({"config": own | {"model_type": "llama"}, "length": length, "cos": array((angles.cos() * factor).numpy()), "sin": array((angles.sin() * factor).numpy())})
write("ropes.json", {"versions": {"torch": torch.__version__, "transformers": hf.__version__}, "ropes": ropes})
