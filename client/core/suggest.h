/* "Did you mean …?" */
#ifndef PYTHIA_SUGGEST_H
#define PYTHIA_SUGGEST_H

/* The candidate closest to `word` (edit distance, case ignored), or NULL where none is
 * close enough to be a likely slip. The result is one of the candidates. */
const char *pythia_suggest(const char *word, const char *const *candidates, int ncandidates);

#endif
