"""Trains a classifier of handwritten digits and keeps the part that it never saw for calling the endpoint.

The data set ships with scikit-learn: 1,797 images of 8 x 8 pixels. The same packages give the same files.
"""

import json
from pathlib import Path

import joblib
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

HERE = Path(__file__).parent


def main() -> None:
    """Write model.pkl and holdout.json beside this file."""
    images, labels = load_digits(return_X_y=True)
    train_images, held_images, train_labels, held_labels = train_test_split(
        images, labels, test_size=0.2, random_state=7, stratify=labels
    )
    model = SVC(gamma=0.001).fit(train_images, train_labels)
    joblib.dump(model, HERE / "model.pkl", compress=3)
    held = [
        {"image": [int(pixel) for pixel in image], "label": int(label)}
        for image, label in zip(held_images, held_labels, strict=True)
    ]
    (HERE / "holdout.json").write_text("".join(f"{json.dumps(each)}\n" for each in held), encoding="utf-8")
    print(f"accuracy on {len(held)} held-out images: {model.score(held_images, held_labels):.4f}")


if __name__ == "__main__":
    main()
