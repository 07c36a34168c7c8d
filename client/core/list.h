/* Lists of names as people write them: "a, b, \"c,d\"". */
#ifndef PYTHIA_LIST_H
#define PYTHIA_LIST_H

/* Splits at commas that are not inside "…", `…` or […]; blanks around a name and empty
 * names are dropped, quotes stay.  The caller frees with pythia_list_free. */
char **pythia_list_split(const char *text, int *count);
void pythia_list_free(char **items, int count);

#endif
