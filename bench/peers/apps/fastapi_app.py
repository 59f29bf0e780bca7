"""FastAPI, as people write it by hand. Run by `uvicorn --workers`, each of whose processes has a model of its own."""

from contextlib import asynccontextmanager

from classifier import Classifier
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.classify = Classifier()
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/classify")
async def classify(request: Request):
    return await run_in_threadpool(app.state.classify, await request.body())
