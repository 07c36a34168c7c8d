# bash completion for pythia
# Names of files or folders, which may have blanks in them.
_pythia_names()
{
	local name
	while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen "$1" -- "$2")
	compopt -o filenames 2>/dev/null
}
_pythia()
{
	local cur prev command=
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD-1]}
	COMPREPLY=()
	[ "$COMP_CWORD" -gt 1 ] && command=${COMP_WORDS[1]}
	case "$command $prev" in
	"create --database-type")
		COMPREPLY=($(compgen -W "postgresql mysql sqlite" -- "$cur"))
		return ;;
	"create --mode")
		COMPREPLY=($(compgen -W "incremental full live" -- "$cur"))
		return ;;
	"cdc --state")
		_pythia_names -f "$cur"
		return ;;
	"cdc --options")
		_pythia_names -f "$cur"
		return ;;
	"cdc --track")
		COMPREPLY=($(compgen -W "none keys rows" -- "$cur"))
		return ;;
	"cdc --capture")
		COMPREPLY=($(compgen -W "poll trigger" -- "$cur"))
		return ;;
	"sync --config")
		_pythia_names -f "$cur"
		return ;;
	"sync --mode")
		COMPREPLY=($(compgen -W "incremental full live" -- "$cur"))
		return ;;
	"sync --deletes")
		COMPREPLY=($(compgen -W "ignore hard soft" -- "$cur"))
		return ;;
	"sync --new-columns")
		COMPREPLY=($(compgen -W "add ignore error" -- "$cur"))
		return ;;
	"sync --on-bad-row")
		COMPREPLY=($(compgen -W "error quarantine" -- "$cur"))
		return ;;
	"sync --state")
		_pythia_names -f "$cur"
		return ;;
	"sync --quarantine")
		_pythia_names -f "$cur"
		return ;;
	"sync --on-schema-change")
		COMPREPLY=($(compgen -W "follow stop ignore" -- "$cur"))
		return ;;
	"sync --zero-date")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"sync --infinity")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"sync --nan")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"sync --nul-byte")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"sync --bad-utf8")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"sync --out-of-range")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"validate --config")
		_pythia_names -f "$cur"
		return ;;
	"validate --checks")
		_pythia_names -f "$cur"
		return ;;
	"validate --method")
		COMPREPLY=($(compgen -W "checksum count rows" -- "$cur"))
		return ;;
	"validate --digest")
		COMPREPLY=($(compgen -W "auto md5 sha256" -- "$cur"))
		return ;;
	"validate --zero-date")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"validate --infinity")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"validate --nan")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"validate --nul-byte")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"validate --bad-utf8")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"validate --out-of-range")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"repair --config")
		_pythia_names -f "$cur"
		return ;;
	"repair --method")
		COMPREPLY=($(compgen -W "checksum count rows" -- "$cur"))
		return ;;
	"repair --digest")
		COMPREPLY=($(compgen -W "auto md5 sha256" -- "$cur"))
		return ;;
	"repair --zero-date")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"repair --infinity")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"repair --nan")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"repair --nul-byte")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"repair --bad-utf8")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"repair --out-of-range")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"migrate --plan")
		_pythia_names -f "$cur"
		return ;;
	"migrate --use")
		_pythia_names -f "$cur"
		return ;;
	"migrate --validate")
		COMPREPLY=($(compgen -W "checksum count none" -- "$cur"))
		return ;;
	"migrate --config")
		_pythia_names -f "$cur"
		return ;;
	"migrate --zero-date")
		COMPREPLY=($(compgen -W "error null clamp replace" -- "$cur"))
		return ;;
	"migrate --infinity")
		COMPREPLY=($(compgen -W "error null clamp replace" -- "$cur"))
		return ;;
	"migrate --nan")
		COMPREPLY=($(compgen -W "error null clamp replace" -- "$cur"))
		return ;;
	"migrate --nul-byte")
		COMPREPLY=($(compgen -W "error null clamp replace" -- "$cur"))
		return ;;
	"migrate --bad-utf8")
		COMPREPLY=($(compgen -W "error null clamp replace" -- "$cur"))
		return ;;
	"migrate --out-of-range")
		COMPREPLY=($(compgen -W "error null clamp replace" -- "$cur"))
		return ;;
	"cutover --config")
		_pythia_names -f "$cur"
		return ;;
	"cutover --on-schema-change")
		COMPREPLY=($(compgen -W "follow stop ignore" -- "$cur"))
		return ;;
	"cutover --within")
		COMPREPLY=($(compgen -W "checksum count none" -- "$cur"))
		return ;;
	"cutover --zero-date")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"cutover --infinity")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"cutover --nan")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"cutover --nul-byte")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"cutover --bad-utf8")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	"cutover --out-of-range")
		COMPREPLY=($(compgen -W "error null clamp replace quarantine" -- "$cur"))
		return ;;
	esac
	case "$command" in
	'')
		COMPREPLY=($(compgen -W "create cdc sync validate repair migrate cutover run status completion help --help --version" -- "$cur")) ;;
	create)
		COMPREPLY=($(compgen -W "database-cdc database-sync --database-type --connection --source --target --tables --timestamp-column --poll-interval --mode --force --json --quiet --no-color --help" -- "$cur"))
		;;
	cdc)
		COMPREPLY=($(compgen -W " --tables --timestamp-column --state --consumer --restart --release --once --poll-interval --options --from --track --capture --columns --exclude-columns --where --key --lookback --delete-interval --json --quiet --no-color --help" -- "$cur"))
		;;
	sync)
		COMPREPLY=($(compgen -W " --source --target --tables --all --schema --config --mode --conflict-resolution --deletes --target-where --soft-delete-column --search-path --truncate-target --no-create-target --new-columns --batch-size --parallel --max-bytes-per-second --lookback --on-bad-row --dry-run --validate --state --release --quarantine --once --interval --on-schema-change --name --refresh --drop --key --columns --exclude-columns --where --table-map --column-map --type-map --masks --timestamp-column --zero-date --infinity --nan --nul-byte --bad-utf8 --out-of-range --json --quiet --no-color --help" -- "$cur"))
		;;
	validate)
		COMPREPLY=($(compgen -W " --source --target --tables --all --schema --config --differences --checks --method --since --sample --segment-rows --max-differences --recheck-after --digest --seed --target-where --key --columns --exclude-columns --where --table-map --column-map --type-map --masks --timestamp-column --zero-date --infinity --nan --nul-byte --bad-utf8 --out-of-range --json --quiet --no-color --help" -- "$cur"))
		;;
	repair)
		COMPREPLY=($(compgen -W " --source --target --tables --all --schema --config --differences --max-changes --dry-run --method --since --sample --segment-rows --max-differences --recheck-after --digest --seed --target-where --key --columns --exclude-columns --where --table-map --column-map --type-map --masks --timestamp-column --zero-date --infinity --nan --nul-byte --bad-utf8 --out-of-range --json --quiet --no-color --help" -- "$cur"))
		;;
	migrate)
		COMPREPLY=($(compgen -W " --source --target --schema --plan --use --validate --config --table-map --column-map --type-map --masks --max-bytes-per-second --zero-date --infinity --nan --nul-byte --bad-utf8 --out-of-range --json --quiet --no-color --help" -- "$cur"))
		;;
	cutover)
		COMPREPLY=($(compgen -W " --source --target --tables --all --schema --config --name --on-schema-change --rehearse --reverse --within --max-lag --lock-timeout --timeout --status --lift --force --finish --key --columns --exclude-columns --where --table-map --column-map --type-map --masks --timestamp-column --zero-date --infinity --nan --nul-byte --bad-utf8 --out-of-range --json --quiet --no-color --help" -- "$cur"))
		;;
	run)
		COMPREPLY=($(compgen -W " --once --release --json --quiet --no-color --help" -- "$cur"))
		_pythia_names -d "$cur"
		;;
	status)
		COMPREPLY=($(compgen -W " --json --quiet --no-color --help" -- "$cur"))
		;;
	completion)
		COMPREPLY=($(compgen -W "bash zsh --json --quiet --no-color --help" -- "$cur"))
		;;
	help)
		COMPREPLY=($(compgen -W " --man --json --quiet --no-color --help" -- "$cur"))
		;;
	esac
}
complete -F _pythia pythia
