#!/usr/bin/env bash
# Makes a service of the kind that runs this host, and starts it, now and at every boot.
# Usage: service.sh KIND NAME PORT
set -eu
kind=$1 name=$2 port=$3
server=/opt/managed/$name
arguments="TCP-LISTEN:$port,fork,reuseaddr SYSTEM:cat"
mkdir -p /opt/managed
install /usr/bin/socat "$server"
case $kind in
  runit)
    mkdir -p "/etc/sv/$name"
    printf '#!/bin/sh\nexec 2>&1\nexec chpst -u www-data %s %s\n' "$server" "$arguments" >"/etc/sv/$name/run"
    chmod 755 "/etc/sv/$name/run"
    # What it notes of them is nothing to list.
    ln -sfn "/run/runit/supervise/$name" "/etc/sv/$name/supervise"
    ln -sfn "/etc/sv/$name" "/etc/service/$name"
    # runsvdir(8) looks for new services every five seconds.
    for _ in $(seq 300); do
      sv check "$name" >/dev/null 2>&1 && break
      sleep 0.1
    done
    ;;
  openrc)
    cat >"/etc/init.d/$name" <<SCRIPT
#!/sbin/openrc-run
command=$server
command_args="$arguments"
command_user=www-data
command_background=yes
pidfile=/run/$name.pid
SCRIPT
    chmod 755 "/etc/init.d/$name"
    rc-update add "$name" default
    rc-service "$name" start
    ;;
  sysv)
    cat >"/etc/init.d/$name" <<SCRIPT
#!/bin/sh
### BEGIN INIT INFO
# Provides:          $name
# Required-Start:    \$network \$remote_fs
# Required-Stop:     \$network \$remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: $name
### END INIT INFO
DAEMON=$server
PIDFILE=/run/$name.pid
case "\$1" in
  start)
    start-stop-daemon --start --quiet --background --make-pidfile --pidfile \$PIDFILE --chuid www-data \\
      --exec \$DAEMON -- $arguments
    ;;
  stop) start-stop-daemon --stop --quiet --oknodo --retry 5 --pidfile \$PIDFILE --exec \$DAEMON ;;
  restart) "\$0" stop && "\$0" start ;;
  status) start-stop-daemon --status --pidfile \$PIDFILE --exec \$DAEMON ;;
esac
SCRIPT
    chmod 755 "/etc/init.d/$name"
    update-rc.d "$name" defaults
    "/etc/init.d/$name" start
    ;;
esac
