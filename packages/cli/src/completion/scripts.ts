/** What a shell sources: it asks `isthmus __complete` for candidates, a line each, a tab before the description. `:files` asks for file names. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

const bash = `# bash completion for isthmus: source this, or put it into /etc/bash_completion.d/isthmus
_isthmus() {
  local line candidate files= current="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS= read -r line; do
    candidate="\${line%%$'\\t'*}"
    if [[ $candidate == ":files" ]]; then files=1; continue; fi
    [[ $candidate == "$current"* ]] && COMPREPLY+=("$candidate")
  done < <("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD-1}" "$current" 2>/dev/null)
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
  fi
}
complete -F _isthmus isthmus
`;

const zsh = `#compdef isthmus
# zsh completion for isthmus: put this into a folder of $fpath as _isthmus, or source it
_isthmus() {
  local line candidate files=
  local -a candidates
  while IFS= read -r line; do
    candidate="\${line%%$'\\t'*}"
    if [[ $candidate == ":files" ]]; then files=1; continue; fi
    if [[ $line == *$'\\t'* ]]; then
      candidates+=("\${candidate//:/\\\\:}:\${line#*$'\\t'}")
    else
      candidates+=("\${candidate//:/\\\\:}")
    fi
  done < <("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#candidates} )) && _describe isthmus candidates
  [[ -n $files ]] && _files
  return 0
}
if [[ $funcstack[1] == _isthmus ]]; then _isthmus "$@"; else compdef _isthmus isthmus; fi
`;

const fish = `# fish completion for isthmus: put this into ~/.config/fish/completions/isthmus.fish
function __isthmus_candidates
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c isthmus -f -a '(__isthmus_candidates)'
`;

export const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };
