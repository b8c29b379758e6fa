"""The student's edition as a course of nbgrader, Jupyter's grader: what it reads is written here, without it.

nbgrader (https://nbgrader.readthedocs.io, metadata of version 3) finds its tests by their cells' metadata, keeps a copy
of each, and puts it back into what is handed in. So a check is a test as it stands, with one line that only the grader
sees: it raises unless the verdict is "Right".
"""

import copy
import re

CONFIG = '''"""How nbgrader takes the course. For each notebook, here:

    nbgrader generate_assignment 00_before_you_start     what students get: release/00_before_you_start
    (collect what they hand in: submitted/NAME/00_before_you_start/00_before_you_start.ipynb)
    nbgrader autograde 00_before_you_start               runs it and counts points
    nbgrader export                                      grades.csv
"""

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearOutput, ClearSolutions

c = get_config()
steps = GenerateAssignment.class_traits()["preprocessors"].default()
# Solutions are left out already, and the pictures are for those who read before they run.
c.GenerateAssignment.preprocessors = [step for step in steps if step not in (ClearSolutions, ClearOutput)]
c.Execute.timeout = 300  # seconds a cell
'''
POINTS = {"easy": 1, "medium": 2, "hard": 3}
TITLE = re.compile(r"\*\*Exercise (\d+)\*\* \((\w+)\)")
HIDDEN = '### BEGIN HIDDEN TESTS\nassert verdict.startswith("Right"), verdict\n### END HIDDEN TESTS'


def assignment(edition) -> tuple[object, dict[str, int]]:
    """(a notebook without solutions, with nbgrader's metadata; {check: points}).

    The badges are left out, since they lead to the edition with solutions; other notebooks are in folders beside it.
    """
    edition, points = copy.deepcopy(edition), {}
    edition.cells = [cell for cell in edition.cells if "badges" not in cell.metadata.get("tags", ())]
    number, grade = None, None
    for cell in edition.cells:
        tags = cell.metadata.get("tags", ())
        if cell.cell_type == "markdown":
            number, grade = (TITLE.findall(cell.source) or [(number, grade)])[-1]
            cell.source = re.sub(r"\]\((\d\d_\w+)\.ipynb", r"](../\1/\1.ipynb", cell.source)
        elif "exercise" in tags:
            cell.metadata["nbgrader"] = _metadata(f"exercise_{number}", solution=True)
        elif "check" in tags:
            name = f"check_{number}"
            points[name] = POINTS[grade]
            cell.source = cell.source.replace(f"print({name}())", f"print(verdict := {name}())\n{HIDDEN}")
            cell.metadata["nbgrader"] = _metadata(name, grade=True, locked=True, points=points[name])
    return edition, points


def _metadata(name: str, grade=False, solution=False, locked=False, **points) -> dict:
    kinds = {"grade": grade, "solution": solution, "locked": locked, "task": False}
    return {"grade_id": name, "schema_version": 3, **kinds, **points}
