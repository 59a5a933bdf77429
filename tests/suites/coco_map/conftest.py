"""A cache of its own for every test session: nothing is taken from, or left in, the user's."""

import json

import pytest
from PIL import Image


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOCALBENCH_CACHE", str(folder))
        yield folder


@pytest.fixture
def coco(tmp_path):
    """Writes a COCO folder from plain lists; images are 40 × 20 pixels, equal where their names are."""

    def write(train, val, categories=((7, "cat"), (3, "dog")), layout=("{}", "instances_{}.json"), files=None):
        for split, (images, annotations) in (("train", train), ("val", val)):
            folder, file = (tmp_path / part.format(split) for part in layout)
            folder.mkdir(parents=True, exist_ok=True)
            file.parent.mkdir(parents=True, exist_ok=True)
            for _, name in images:
                if files is None or name in files:
                    Image.new("RGB", (40, 20), tuple(name.encode()[:3])).save(folder / name)
            content = {
                "images": [{"id": key, "file_name": name, "width": 40, "height": 20} for key, name in images],
                "annotations": [
                    {"id": key, "image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd}
                    | {"area": box[2] * box[3]}
                    for key, image, category, box, crowd in annotations
                ],
                "categories": [{"id": key, "name": name} for key, name in categories],
            }
            file.write_text(json.dumps(content))
        return tmp_path

    return write
