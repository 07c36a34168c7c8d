#include "core/suggest.h"

#include <ctype.h>
#include <string.h>

/* Longer names are compared by their first bytes only. */
#define MAX_WORD 96

static int least(int a, int b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace or swap two neighbours. */
static int distance(const char *a, const char *b)
{
	int rows[3][MAX_WORD + 1];
	int *before = rows[0];
	int *last = rows[1];
	int *row = rows[2];
	int na = (int) strnlen(a, MAX_WORD);
	int nb = (int) strnlen(b, MAX_WORD);

	for (int j = 0; j <= nb; j++)
	{
		before[j] = 0;
		last[j] = j;
	}
	for (int i = 1; i <= na; i++)
	{
		int *spare = before;

		row[0] = i;
		for (int j = 1; j <= nb; j++)
		{
			int ca = tolower((unsigned char) a[i - 1]);
			int cb = tolower((unsigned char) b[j - 1]);

			row[j] = least(least(last[j] + 1, row[j - 1] + 1), last[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == tolower((unsigned char) b[j - 2]) && cb == tolower((unsigned char) a[i - 2]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[nb];
}

const char *pythia_suggest(const char *word, const char *const *candidates, int ncandidates)
{
	const char *best = NULL;
	int best_distance = 1 + (int) strnlen(word, MAX_WORD) / 4;

	for (int i = 0; i < ncandidates; i++)
	{
		int d = distance(word, candidates[i]);

		if (d < best_distance || (d == best_distance && !best))
		{
			best = candidates[i];
			best_distance = d;
		}
	}
	return best;
}
