/**
 * Scripts that let shells complete the words after `devwatch`. Each asks `devwatch completion --words`, which prints a
 * candidate per line, with its help behind a tab, and `:files` where files are possible.
 */

const bash = String.raw`# Completion of devwatch for bash: eval "$(devwatch completion bash)"
_devwatch() {
  local words=() word current prefix= start last
  for word in "\${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    last=$((\${#words[@]} - 1))
    # bash takes the parts of --name=value and of signal:SIGHUP for three words.
    if [[ $last -gt 0 && ( $word == [=:] || \${words[last]} == --*= || \${words[last]} == *: ) ]]; then words[last]+=$word
    else words+=("$word"); fi
  done
  current=\${words[\${#words[@]} - 1]}
  start=\${COMP_WORDS[COMP_CWORD]}
  [[ $start == [=:] ]] && start=
  prefix=\${current%"$start"}
  COMPREPLY=()
  while IFS=$'\t' read -r word _; do
    if [[ $word == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$start")
    else
      COMPREPLY+=("\${word#"$prefix"}")
    fi
  done < <("\${COMP_WORDS[0]}" completion --words -- "\${words[@]}" 2>/dev/null)
}
complete -F _devwatch devwatch
`;

const zsh = String.raw`#compdef devwatch
# Completion of devwatch for zsh: eval "$(devwatch completion zsh)", after compinit
_devwatch() {
  local line files=
  local -a candidates
  for line in \${(f)"$("\${words[1]}" completion --words -- "\${(@Q)words[1,CURRENT]}" 2>/dev/null)"}; do
    if [[ $line == :files ]]; then files=1
    else candidates+=("\${\${line%%$'\t'*}//:/\\:}:\${line#*$'\t'}"); fi
  done
  (( $#candidates )) && _describe devwatch candidates
  [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _devwatch ]]; then _devwatch "$@"; else compdef _devwatch devwatch; fi
`;

const fish = `# Completion of devwatch for fish: devwatch completion fish | source
function __devwatch_words
  set -l words (commandline -opc) (commandline -ct)
  for line in (command $words[1] completion --words -- $words 2>/dev/null)
    if test "$line" = ':files'
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c devwatch -f -a '(__devwatch_words)'
`;

/** In a template a dollar before a brace needs a backslash, which stays in raw text. */
const plain = (script: string): string => script.replaceAll('\\${', '${');

export const completionScripts: Readonly<Record<string, string>> = { bash: plain(bash), zsh: plain(zsh), fish };
