# Runs commands one after the other as the first process of a container. Built of what every POSIX shell has itself: an
# image need have nothing else.
umask 022
unset HOSTNAME TERM container OLDPWD
exec </dev/null >/.patchline/words 2>&1

# What is left of a command has a moment to end by itself.
nothing_left() {
    looks=0
    while :; do
        left=
        for one in /proc/[0-9]*; do
            [ "$one" = /proc/1 ] && continue
            name=
            state=
            while read -r key value; do
                case $key in
                Name:) name=$value ;;
                State:) state=$value && break ;;
                esac
            done 2>/dev/null <"$one/status"
            case $state in
            '' | Z* | X*) ;;
            *) left=$name ;;
            esac
        done
        [ -z "$left" ] && return
        looks=$((looks + 1))
        [ "$looks" -gt 10 ] && break
        sleep 0.1
    done
    echo "left running: $left"
    exit 92
}

command() {
    "$@"
    code=$?
    if [ "$code" -ne 0 ]; then
        echo "$1 ended with $code"
        exit 91
    fi
    nothing_left
}

