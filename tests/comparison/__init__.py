r"""The same requests and commands to two builds: do both answer alike?

`python -m tests.comparison --before REVISION` starts both builds as processes, sends the same bytes
to both, asks both everything there is, and compares what they answer. `--data-of REVISION` lets the
later build open the data directory of an earlier one and compares what both say of what is in it.

Differences that are wanted stand in `intended.toml`; any other is printed and makes the exit
status 1. To add one, put a table like this at the end of the file:

    [[change]]
    kind = "Changed"                    # heading of the changelog: Added, Changed, Fixed, Removed
    why = "One sentence, which also stands in .github/CHANGELOG.md."
    where = "^receiver (import|export)" # optional: only in answers whose place this is found in
    texts = [["text before", "text after"]]           # anywhere in a value or a line
    patterns = [['(\d+) item\(s\)', '\1 items']]  # the same with regular expressions
    file = "texts.tsv"                  # a file of such pairs, applied after those two
    added = ["> messages.*new_field"]   # places that only the later build has
    removed = ["> old_field$"]          # places that only the earlier build has
    changed = ["> catalogue_version$"]  # places where anything may differ

The place of a value is printed with each difference: `GET /v1/messages > messages[0].state`. What
two runs of one build answer differently (random secrets, timings) stands under `[[varies]]`.

`texts.tsv` has two columns, the text before and the text after, with a tab between. `{1}`, `{2}`
in the first match any text and stand for it in the second. The longest row is applied first, and
to parts of a text too.
"""
