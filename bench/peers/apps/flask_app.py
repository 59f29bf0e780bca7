"""Flask and PyTorch, as the system was built that this project began from. Run by gunicorn, a model in each worker."""

import onnx2torch
import torch
from classifier import MODEL, answer, tensor
from flask import Flask, request

# Of one thread each, as many workers as there are cores; and the order of memory that PyTorch's tuning guide advises.
torch.set_num_threads(1)
network = onnx2torch.convert(MODEL).eval().to(memory_format=torch.channels_last)

app = Flask(__name__)


@app.post("/classify")
def classify():
    values = torch.from_numpy(tensor(request.get_data())).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        return answer(network(values)[0].numpy())
