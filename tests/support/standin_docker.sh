#!/bin/sh
# Stands in for docker with its compose plugin: the same command line, exit codes and words, and no engine.
#
# It is told by variables what to do: STANDIN_DOCKER_ENGINE is "no" where no engine is to answer, STANDIN_DOCKER_LOGS is
# the file with what `compose logs` prints, STANDIN_DOCKER_PS what `compose ps` prints, else a container that runs,
# STANDIN_DOCKER_FAILS is "VERB:WORDS" for a command that fails with these words, or "VERB:hang" for one that does not
# end, STANDIN_DOCKER_LOG is the file for what it was called with, and STANDIN_DOCKER_COMPOSE has the words that call the
# real Docker Compose, which answers `compose config`. It is a shell script, because it is started some hundred times.

fail() { # WORDS [CODE]: end as docker does
    printf '%s\n' "$1" >&2
    exit "${2:-1}"
}

ask_engine() {
    [ "$STANDIN_DOCKER_ENGINE" != no ] ||
        fail 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?'
}

find_verb() { # The first word that is no option; each option has a value.
    # With too few words bash shifts none, and would go on for ever.
    while [ "${1#--}" != "$1" ]; do shift 2 || exit; done
    verb=$1
}

running='{"Service": "stand-in", "Name": "stand-in-1", "State": "running", "ExitCode": 0, "Health": ""}'
[ -z "$STANDIN_DOCKER_LOG" ] || printf 'docker %s\n' "$*" >>"$STANDIN_DOCKER_LOG"
group=$1
[ $# = 0 ] || shift
find_verb "$@"
if [ -n "$verb" ] && [ "${STANDIN_DOCKER_FAILS%%:*}" = "$verb" ]; then
    failure=${STANDIN_DOCKER_FAILS#*:}
    [ "$failure" != hang ] || exec sleep 60
    fail "$failure"
fi
case "$group $verb" in
"compose config") exec $STANDIN_DOCKER_COMPOSE "$@" ;;
"compose version") echo 'Docker Compose version v2.26.1' ;;
"compose logs") ask_engine && { [ -z "$STANDIN_DOCKER_LOGS" ] || cat "$STANDIN_DOCKER_LOGS"; } ;;
"compose ps") ask_engine && printf '%s' "${STANDIN_DOCKER_PS:-$running}" ;;
"compose ls") ask_engine ;;
"compose up") ask_engine && echo ' Container stand-in-1  Started' >&2 ;;
"compose down") ask_engine && echo ' Container stand-in-1  Removed' >&2 ;;
compose\ *) fail "unknown docker command: \"compose $verb\"" 16 ;;
version\ *) ask_engine && printf 'Client: stand-in\nServer: stand-in\n' ;;
*) fail "docker: '$group' is not a docker command." ;;
esac
