"""The stack as it is usually wired by hand: FastAPI, Feast on SQLite, LightGBM, shap.

`python server.py FOLDER` serves what `prepare.py` made and prints where.
"""

import os
import socket
import sys
from datetime import datetime
from pathlib import Path

# For one row, more OpenMP threads wait for each other; the peer is given its better setting.
os.environ["OMP_NUM_THREADS"] = "1"

import lightgbm
import numpy as np
import shap
import uvicorn
from fastapi import FastAPI
from feast import FeatureStore
from prepare import INPUTS, WINDOWED
from pydantic import BaseModel

folder = Path(sys.argv[1])
store = FeatureStore(str(folder))
model = lightgbm.Booster(model_file=folder / "model.txt")
explainer = shap.TreeExplainer(model)
references = [f"{name.split('_')[0]}_history:{name}" for name in WINDOWED]
app = FastAPI()


class Transaction(BaseModel):
    transaction_id: int
    tx_datetime: datetime
    customer_id: int
    terminal_id: int
    tx_amount: float


class Reason(BaseModel):
    feature: str
    value: float
    contribution: float


class Prediction(BaseModel):
    transaction_id: int
    score: float
    decision: str
    reasons: list[Reason]


# `async`, since with one worker a pool of threads (plain `def`) is slower: measured.
@app.post("/predict")
async def predict(transaction: Transaction) -> Prediction:
    keys = {"customer_id": transaction.customer_id, "terminal_id": transaction.terminal_id}
    found = store.get_online_features(features=references, entity_rows=[keys]).to_dict()
    at = transaction.tx_datetime
    values = [transaction.tx_amount, at.weekday() >= 5, at.hour <= 6]
    values += [found[name][0] if found[name][0] is not None else 0 for name in WINDOWED]
    row = np.array([values], dtype=float)
    score = float(model.predict(row, num_threads=1)[0])
    contributions = explainer.shap_values(row)[0]
    top = np.argsort(-np.abs(contributions))[:3]
    return Prediction(
        transaction_id=transaction.transaction_id,
        score=score,
        decision="decline" if score > 0.5 else "step_up" if score > 0.1 else "approve",
        reasons=[
            Reason(feature=INPUTS[i], value=row[0, i], contribution=contributions[i]) for i in top
        ],
    )


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"serving the peer on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", log_level="warning", access_log=False
    )
    uvicorn.Server(config).run(sockets=[listener])
