/** What a shell sources: it asks `isthmus __complete` for candidates, a line each, a tab before the description. `:files` asks for file names. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

const bash = `# bash completion for isthmus: source this, or put it into /etc/bash_completion.d/isthmus
_isthmus() {
  local index word line=$COMP_LINE candidate files= current head=
  local -a words=()
  # bash cuts words at ":" and "=": those that touch are one.
  for ((index = 0; index <= COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if ((index > 0)) && [[ $line != [[:space:]]* && ($word == [:=]* || \${words[-1]} == *[:=]) ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
    line=\${line#*"$word"}
  done
  current=\${words[-1]}
  [[ $current == *[:=]* && $COMP_WORDBREAKS == *[:=]* ]] && head=\${current%"\${current##*[:=]}"}
  COMPREPLY=()
  while IFS= read -r line; do
    candidate="\${line%%$'\\t'*}"
    if [[ $candidate == ":files" ]]; then files=1; continue; fi
    [[ $candidate == "$current"* ]] && COMPREPLY+=("\${candidate#"$head"}")
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null)
  if [[ -n $files ]]; then
    # It would quote the colon of a machine's name.
    ((\${#COMPREPLY[@]})) || compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${current#"$head"}")
  fi
  [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *: ]] && compopt -o nospace 2>/dev/null
}
complete -F _isthmus isthmus
`;

const zsh = `#compdef isthmus
# zsh completion for isthmus: put this into a folder of $fpath as _isthmus, or source it
_isthmus() {
  local line candidate files=
  local -a candidates heads
  while IFS= read -r line; do
    candidate="\${line%%$'\\t'*}"
    if [[ $candidate == ":files" ]]; then files=1; continue; fi
    if [[ $line == *$'\\t'* ]]; then
      line="\${candidate//:/\\\\:}:\${line#*$'\\t'}"
    else
      line="\${candidate//:/\\\\:}"
    fi
    if [[ $candidate == *: ]]; then heads+=("$line"); else candidates+=("$line"); fi
  done < <("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#candidates} )) && _describe isthmus candidates
  (( \${#heads} )) && _describe isthmus heads -S ''
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
