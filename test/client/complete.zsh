#!/usr/bin/env zsh
# complete.zsh FOLDER: reads beginnings of command lines and prints, for each,
# what a zsh on a terminal that knows FOLDER/_pythia makes of it at the press of Tab.
zmodload zsh/zpty || exit 1
typeset folder=$1 answer=$1/answer line beginning
# Open for writing too: a reader must not see an end between two answers.
rm -f $answer
mkfifo $answer && exec {answers}<>$answer || exit 1
zpty shell "TERM=xterm exec zsh -f -i"
say() { zpty -w shell "$1" }
say "PS1= PS2=; unsetopt beep; stty -echo; cd ${(q)folder}"
say "fpath=(${(q)folder} \$fpath); autoload -Uz compinit; compinit -u -D"
say "tell() { print -r -- \"\$BUFFER\" >${(q)answer}; BUFFER= }; zle -N tell; bindkey '^X^T' tell"
say "print ready >${(q)answer}"
# What it prints must be read, or it stops.
drain() { while zpty -r -t shell line; do :; done }
IFS= read -r line <&$answers
[[ $line == ready ]] || exit 1
while IFS= read -r beginning; do
    zpty -w -n shell "$beginning"$'\t\x18\x14'
    IFS= read -r line <&$answers
    print -r -- "$line"
    drain
done
zpty -d shell
