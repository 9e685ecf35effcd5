"""Writes `canaryrec/` in Loghub's layout from our own recordings: python3 make.py <folder with s1-*.log.zst>.

Every sixth line of three recordings, six hundred in all; labels come from `patterns.txt`.
"""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RECORDINGS = ["s1-08", "s1-11", "s1-12"]
LINES = 600


def patterns() -> list[tuple[str, re.Pattern[str]]]:
    """The written patterns and what they match, those with the most text first."""
    lines = (HERE / "patterns.txt").read_text().splitlines()
    texts = sorted((line for line in lines if line and not line.startswith("#")), key=len, reverse=True)
    return [(text, re.compile(".*?".join(re.escape(part) for part in text.split("<*>")))) for text in texts]


def main(folder: Path) -> None:
    """Write the raw log, the structured file and the templates."""
    rows = []
    for name in RECORDINGS:
        packed = folder / f"{name}.log.zst"
        text = subprocess.run(["zstd", "-dcq", packed], capture_output=True, check=True, text=True).stdout
        rows += [json.loads(line) for line in text.splitlines()[::6]]
    rows = rows[:LINES]
    known, events = patterns(), {}
    out = HERE / "canaryrec"
    out.mkdir(exist_ok=True)
    with (out / "canaryrec.log").open("w") as raw, (out / "canaryrec.log_structured.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["LineId", "Level", "Component", "Content", "EventId", "EventTemplate"])
        for number, row in enumerate(rows, 1):
            label = next(text for text, pattern in known if pattern.fullmatch(row["msg"]))
            event = events.setdefault(label, f"E{len(events) + 1}")
            raw.write(f"{row['ts']} {row['level']} {row['pod']} {row['msg']}\n")
            table.writerow([number, row["level"], row["pod"], row["msg"], event, label])
    with (out / "canaryrec.log_templates.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["EventId", "EventTemplate"])
        table.writerows((event, label) for label, event in events.items())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
