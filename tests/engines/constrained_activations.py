"""Run by test_constraints.py in a process of its own, which has eight simulated devices.

Compiles the tiny network on the meshes 2x2 and 4x2, under tensor parallelism and fully sharded; prints how its
activations lie inside the compiled programs, and how far logits are from those of one device.
"""

import functools
import json
import sys

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from next_jax.engines import sharding
from next_jax.models import transformer

MESHES = {"1x1": (1, 1), "2x2": (2, 2), "4x2": (4, 2)}
RULES = {
    "tensor": sharding.DEFAULT_RULES,
    "fsdp": tuple(("embed", "data") if name == "embed" else (name, axis) for name, axis in sharding.DEFAULT_RULES),
}
# 259 does not divide over two devices.
NETWORK = transformer.TransformerConfig(
    vocab_size=259, embed_dim=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8, mlp_dim=64
)
# What goes into these modules was constrained just before.
INSPECTED = ("down", "out", "mlp_norm", "logits")


def compiled(layout: sharding.Layout):
  """(shapes on one device by module, lines of the lowered program that constrain, logits)."""
  model = transformer.Transformer(NETWORK)
  tokens = np.arange(8 * 16, dtype=np.int32).reshape(8, 16) % NETWORK.vocab_size
  boxed = jax.eval_shape(functools.partial(model.init, enable_dropout=False), jax.random.key(0), tokens)["params"]
  init = jax.jit(
      lambda key: nn.unbox(model.init(key, tokens, enable_dropout=False)["params"]),
      out_shardings=layout.of_parameters(boxed),
  )
  params = init(jax.random.key(0))
  on_device = {}

  def inspect(next_function, args, kwargs, context):
    if context.method_name == "__call__" and context.module.name in INSPECTED:
      path, shape = "/".join(context.module.path), args[0].shape
      jax.debug.inspect_array_sharding(
          args[0], callback=lambda where: on_device.update({path: list(where.shard_shape(shape))})
      )
    return next_function(*args, **kwargs)

  def apply(params, tokens):
    with nn.intercept_methods(inspect):
      return model.apply({"params": params}, tokens, enable_dropout=False)

  with layout.active():
    lowered = jax.jit(apply).lower(params, layout.put_batch(tokens))
    logits = lowered.compile()(params, layout.put_batch(tokens))
  constraints = [line for line in lowered.as_text().splitlines() if "sdy.sharding_constraint" in line]
  return on_device, constraints, np.asarray(logits)


def main() -> None:
  report = {}
  for rules_name, rules in RULES.items():
    for name, shape in MESHES.items():
      devices = np.asarray(jax.devices()[: np.prod(shape)]).reshape(shape)
      mesh = jax.sharding.Mesh(devices, ("data", "model"))
      on_device, constraints, logits = compiled(sharding.Layout(mesh=mesh, rules=rules))
      if name == "1x1":
        alone = logits
      report[f"{rules_name} {name}"] = {
          "on_device": on_device,
          "constraints": len(constraints),
          "distance": float(jnp.max(jnp.abs(logits - alone))),
      }
  print(json.dumps(report))


if __name__ == "__main__":
  sys.exit(main())
