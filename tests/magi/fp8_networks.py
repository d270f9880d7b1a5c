"""fp8 networks made from ordinary ones, and what they are fed."""

import attrs
import torch

from phyrefine.magi.model.linears import Fp8Linear
from phyrefine.magi.model.transformer import MagiTransformer3DModel

QUANTIZED = (
    "attn.to_q",
    "attn.to_q_text",
    "attn.to_k",
    "attn.to_v",
    "attn.to_out",
    "ff.fc1",
    "ff.fc2",
)
SMOOTH = ("attn.to_out", "ff.fc2")


def quantize(layer, inputs, *, smooth):
    """An fp8 layer made from an ordinary one and what it is fed; scales fill the range."""
    weight = layer.weight.float()
    made = Fp8Linear(weight.shape[1], weight.shape[0], smooth=smooth)
    if smooth:
        scale = inputs.float().abs().flatten(0, -2).amax(0).clamp(min=1e-4) / 448
        made.smooth_scale.data = scale[None]
        made.input_scale.data = torch.ones(1)
        weight = weight * scale
    else:
        made.input_scale.data = (inputs.float().abs().amax() / 448).expand(weight.shape[1]).clone()
    made.weight_scale.data = (weight.abs().amax() / 448).reshape(1)
    made.weight.data = (weight / made.weight_scale)[None].to(torch.float8_e4m3fn)
    return made


def quantized_network(base, call):
    """`base` with fp8 linears in all blocks but the first and the last."""
    inputs = {}
    names = [f"blocks.{b}.{n}" for b in range(1, len(base.blocks) - 1) for n in QUANTIZED]
    hooks = [
        base.get_submodule(name).register_forward_pre_hook(
            lambda _m, args, name=name: inputs.__setitem__(name, args[0])
        )
        for name in names
    ]
    call.run(base)
    for hook in hooks:
        hook.remove()
    network = MagiTransformer3DModel.from_shape(attrs.evolve(base.shape, quantized=True))
    state = base.state_dict()
    for name in names:
        smooth = name.endswith(SMOOTH)
        made = quantize(base.get_submodule(name), inputs[name], smooth=smooth)
        del state[f"{name}.weight"]
        state.update({f"{name}.{leaf}": value for leaf, value in made.state_dict().items()})
    network.load_state_dict(state, assign=True)
    return network


def deeper(network):
    """A network of four blocks from one of two, so that there are inner ones."""
    shape = attrs.evolve(network.shape, num_layers=4)
    deeper = MagiTransformer3DModel.from_shape(shape)
    state = {}
    for name, value in network.state_dict().items():
        if not name.startswith("blocks."):
            state[name] = value
            continue
        _, index, rest = name.split(".", 2)
        for copy in (int(index), int(index) + 2):
            state[f"blocks.{copy}.{rest}"] = value.clone()
    deeper.load_state_dict(state, assign=True)
    return deeper.requires_grad_(False)
