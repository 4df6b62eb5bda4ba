"""Results: medians, spread and ratios of what was run, as a table and as JSON."""

import dataclasses
import statistics


@dataclasses.dataclass
class Cell:
    """One subject at one work: the figures of its repetitions."""

    figures: list

    @property
    def median(self):
        return statistics.median(self.figures)

    @property
    def spread(self):
        """Half the range, as a share of the median."""
        if not self.median:
            return 0.0
        return (max(self.figures) - min(self.figures)) / 2 / abs(self.median)

    def summary(self):
        return {"median": self.median, "spread": self.spread, "figures": self.figures}


def ratio(ours, theirs):
    """Median of the ratios of neighbouring runs: what disturbs the machine disturbs both."""
    pairs = [a / b for a, b in zip(ours.figures, theirs.figures) if b > 0]
    return statistics.median(pairs) if pairs else None


@dataclasses.dataclass
class Row:
    work: object
    cells: dict  # subject name -> Cell

    def best_peer(self, peers):
        present = [p for p in peers if p in self.cells]
        return min(present, key=lambda p: self.cells[p].median, default=None)

    def ratio_to(self, ours, other):
        if ours not in self.cells or other not in self.cells:
            return None
        return ratio(self.cells[ours], self.cells[other])

    def summary(self, ours, peers):
        best = self.best_peer(peers)
        return {
            "work": self.work.name, "title": self.work.title, "unit": self.work.unit,
            "subjects": {name: cell.summary() for name, cell in self.cells.items()},
            "best_peer": best,
            "ratio_to_best_peer": self.ratio_to(ours, best),
            "ratio_to_bare": self.ratio_to(ours, "bare"),
        }


def rows_of(works, runs):
    """Runs (as main() collects them) to rows, in the order of the works."""
    rows = []
    for work in works:
        cells = {}
        for run in runs:
            if run["work"] == work.name:
                cells.setdefault(run["subject"], Cell([])).figures.append(run[work.figure])
        rows.append(Row(work, cells))
    return rows


def _figure(value):
    magnitude = abs(value)
    if magnitude >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if magnitude >= 10 else f"{value:.2f}"


def _cell_text(cell):
    if cell is None:
        return "–"
    if len(cell.figures) == 1:
        return _figure(cell.median)
    return f"{_figure(cell.median)} ±{cell.spread * 100:.0f} %"


def _ratio_text(value):
    return "–" if value is None else f"{value:.2f}"


def markdown(rows, subjects, ours, peers):
    """A table: works down, subjects across, then our ratios to the best peer and to bare."""
    head = ["work", "unit", *subjects]
    if ours in subjects:
        head += [f"{ours} / best peer", f"{ours} / bare"]
    body = []
    for row in rows:
        line = [row.work.title, row.work.unit]
        line += [_cell_text(row.cells.get(name)) for name in subjects]
        if ours in subjects:
            best = row.best_peer(peers)
            text = _ratio_text(row.ratio_to(ours, best))
            line += [text if best is None else f"{text} ({best})",
                     _ratio_text(row.ratio_to(ours, "bare"))]
        body.append(line)
    return _aligned(head, body)


def _aligned(head, body):
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]

    def row(cells):
        padded = [c.ljust(w) if i < 2 else c.rjust(w)
                  for i, (c, w) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join(("-" * (w + 1) + (":" if i >= 2 else "-"))
                          for i, w in enumerate(widths)) + "|"
    return "\n".join([row(head), rule, *map(row, body)]) + "\n"
