"""PyTorch's side of `stethostream bench training`: the same ResNet-34 (one channel), AdamW, float32, two threads.

Reads one JSON command a line from stdin and answers each with one JSON line:
{"batch": n, "height": h, "width": w, "channelsLast": b}   opens a fresh network for that shape and takes one step
{"seconds": s}                                 trains for about s seconds: {"images": i, "seconds": t}
{"peak": true}                                 {"peakBytes": largest resident size of this process so far}
"""
import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.side = None if same else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + (x if self.side is None else self.side(x)), inplace=True)


class ResNet34(nn.Module):
    def __init__(self, labels):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        blocks, inputs = [], 64
        for stage, (outputs, count) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
            for i in range(count):
                blocks.append(Block(inputs, outputs, 2 if stage > 0 and i == 0 else 1))
                inputs = outputs
        self.body = nn.Sequential(*blocks)
        self.fc = nn.Linear(512, labels)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        return self.fc(self.body(x).mean((2, 3)))


class Training:
    def __init__(self, batch, height, width, channels_last):
        layout = torch.channels_last if channels_last else torch.contiguous_format
        torch.manual_seed(0)
        self.net = ResNet34(4).train().to(memory_format=layout)
        self.x = (torch.rand(batch, 1, height, width) * 2 - 1).contiguous(memory_format=layout)
        self.y = torch.arange(batch) % 4
        self.optimizer = torch.optim.AdamW(self.net.parameters(), 1e-3, weight_decay=0.01, foreach=True)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.net(self.x), self.y, label_smoothing=0.02).backward()
        self.optimizer.step()


def answer(**values):
    print(json.dumps(values), flush=True)


torch.set_num_threads(THREADS)
answer(version=torch.__version__, threads=torch.get_num_threads())
training = None
for line in sys.stdin:
    command = json.loads(line)
    if "batch" in command:
        training = Training(command["batch"], command["height"], command["width"], command["channelsLast"])
        training.step()
        answer(ready=True)
    elif "seconds" in command:
        start, images = time.perf_counter(), 0
        while images == 0 or time.perf_counter() - start < command["seconds"]:
            training.step()
            images += training.x.shape[0]
        answer(images=images, seconds=time.perf_counter() - start)
    else:
        answer(peakBytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
