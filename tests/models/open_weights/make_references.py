"""Writes references.npz: what `transformers` and `peft` compute for the models of random_models.py.

    pip install torch transformers peft
    python tests/models/open_weights/make_references.py
"""

import pathlib
import sys
import tempfile

import numpy as np
import peft
import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import random_models

COLUMNS = slice(0, None, 5)  # of the logits


def main() -> None:
  references = {}
  for family in random_models.CONFIGS:
    config = random_models.config(family)
    settings = {key: value for key, value in config.items() if key != "model_type"}
    kind = transformers.AutoConfig.for_model(config["model_type"], **settings)
    model = transformers.AutoModelForCausalLM.from_config(kind, attn_implementation="eager").eval()
    state = {
        name: torch.from_numpy(random_models.weight(name, tuple(tensor.shape)))
        for name, tensor in model.state_dict().items()
        if not (name == "lm_head.weight" and config["tie_word_embeddings"])
    }
    model.load_state_dict(state, strict=not config["tie_word_embeddings"])
    model.tie_weights()
    tokens = [config["bos_token_id"], *random_models.prompt(family).tolist()]
    with torch.no_grad():
      references[f"{family}/logits"] = model(torch.tensor([tokens])).logits[0].numpy()[:, COLUMNS]
      greedy = []
      for _ in range(random_models.NEW_TOKENS):
        greedy.append(int(model(torch.tensor([tokens + greedy])).logits[0, -1].argmax()))
    references[f"{family}/greedy"] = np.array(greedy, np.int32)
    if family == "qwen2":
      with tempfile.TemporaryDirectory() as directory, torch.no_grad():
        adapter = random_models.write_adapter(pathlib.Path(directory) / "adapter")
        adapted = peft.PeftModel.from_pretrained(model, adapter)
        references["peft/logits"] = adapted(torch.tensor([tokens])).logits[0].numpy()[:, COLUMNS]
    print(family, np.abs(references[f"{family}/logits"]).max(), greedy)
  np.savez_compressed(pathlib.Path(__file__).parent / "references.npz", **references)


if __name__ == "__main__":
  main()
