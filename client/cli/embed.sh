#!/bin/sh
# usage: embed.sh DIRECTORY > templates.c
# Writes the template files below DIRECTORY as C strings, a set for each folder.
set -eu
cd "$1"
echo '/* made by embed.sh from the files of client/cli/templates */'
echo '#include <stddef.h>'
echo '#include "cli/template.h"'
echo 'const cli_template_file cli_template_files[] = {'
find . -type f | LC_ALL=C sort | while read -r path; do
    path=${path#./}
    printf '\t{"%s", "%s",\n' "${path%%/*}" "${path#*/}"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e 's/^/\t\t"/' -e 's/$/\\n"/' "$path"
    printf '\t},\n'
done
echo '	{NULL, NULL, NULL}};'
