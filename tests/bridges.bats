# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The bridges to MQTT and Redis that docs/recipes.md shows: what is lost when a part of
# them dies. The brokers are real, on the loopback device of a network namespace.

load mount.bash

setup() {
	ip link set lo up
	ipcfs_mount
	: >"$MQ/out"
	: >"$MQ/in"
	eval "$(recipe to_mqtt from_mqtt to_redis from_redis)"
	cat >"$WORK/mosquitto.conf" <<-END
		listener 1883 127.0.0.1
		allow_anonymous true
		persistence true
		persistence_location $WORK/
		user root
	END
}

# recipe FUNCTION...: defines functions as in the document, for this mount point.
recipe() {
	local name

	for name in "$@"; do
		sed -n "/^    \\$ $name() {/,/^    }/{s/^    \(\\$ \)\?//; s|/mnt/ipc|$MNT|g; p}" \
			"$TESTS/../docs/recipes.md"
	done
}

# as_job FUNCTION: runs the function in a process group of its own. JOB is its number.
as_job() {
	setsid bash -c "$(declare -f "$1"); $1" >/dev/null 2>&1 3>&- &
	JOB=$!
}

end_job() {
	kill -9 -- "-$JOB"
	not wait "$JOB"
}

mosquitto_start() {
	mosquitto -c "$WORK/mosquitto.conf" 3>&- >/dev/null 2>&1 &
	BROKER=$!
	eventually mosquitto_pub -t ready -n 2>/dev/null
}

redis_start() {
	redis-server --bind 127.0.0.1 --dir "$WORK" --appendonly yes \
		--appendfsync always 3>&- >/dev/null &
	BROKER=$!
	eventually answers PONG ping
}

# answers TEXT COMMAND...: whether Redis' first line of the answer is TEXT.
answers() {
	[ "$(redis-cli "${@:2}" 2>/dev/null | head -n1)" = "$1" ]
}

broker_end() {
	kill "$BROKER"
	wait "$BROKER" || true
}

# send LINE...
send() {
	printf '%s\n' "$@" >"$MNT/mq:lines/out"
}

# receive LAST: prints the lines up to LAST, each once. A line arrives twice if its
# receipt was on its way when a program died.
receive() {
	timeout 250 sed "/^$1\$/q" "$MNT/mq:lines,follow/in" | sort -un
}

# left QUEUE N: whether the queue has N messages.
left() {
	grep -qx "curmsgs $2" "$MNT/mq:info/$1"
}

finish() {
	broker_end
	rm "$MQ/in" "$MQ/out"
	ipcfs_end
}

@test "MQTT: a broker that restarts, and a receiver that is away, lose nothing" {
	mosquitto_start
	mosquitto_sub -q 1 -c -i ipcfs -t jobs -E
	as_job to_mqtt
	send 1 2 3
	eventually left out 0
	sender=$JOB
	as_job from_mqtt
	[ "$(receive 3)" = $'1\n2\n3' ]
	end_job

	broker_end
	send 4 5 6
	mosquitto_start
	as_job from_mqtt
	[ "$(receive 6 | tail -n3)" = $'4\n5\n6' ]
	end_job
	JOB=$sender end_job
	finish
}

@test "MQTT: a sender that is killed loses at most one line" {
	mosquitto_start
	mosquitto_sub -q 1 -c -i ipcfs -t jobs -E
	broker_end
	as_job to_mqtt
	send 1 2 3
	eventually left out 2
	end_job
	mosquitto_start
	as_job to_mqtt
	sender=$JOB
	as_job from_mqtt
	[ "$(receive 3)" = $'2\n3' ]
	end_job
	JOB=$sender end_job
	finish
}

@test "Redis: a broker that restarts loses nothing" {
	redis_start
	redis-cli XGROUP CREATE jobs ipcfs 0 MKSTREAM
	as_job to_redis
	sender=$JOB
	send 1
	eventually left out 0
	broker_end
	send 2 3
	redis_start
	as_job from_redis
	[ "$(receive 3)" = $'1\n2\n3' ]
	end_job
	JOB=$sender end_job
	finish
}

@test "Redis: a receiver that is killed loses nothing" {
	redis_start
	redis-cli XGROUP CREATE jobs ipcfs 0 MKSTREAM
	for line in {1..15}; do
		redis-cli XADD jobs '*' text "$line"
	done
	# The receiver waits for room for the eleventh message.
	as_job from_redis
	eventually left in 10
	eventually answers 1 --raw XPENDING jobs ipcfs
	end_job
	as_job from_redis
	[ "$(receive 15)" = "$(seq 15)" ]
	end_job
	finish
}
