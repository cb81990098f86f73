/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs all interleavings of a few threads on a waitlist. A waitlist changes
 * only while its owner's mutex is locked, and during callbacks the mutex is
 * unlocked. So a thread is a sequence of steps, from one callback to the next,
 * and a scheduler chooses which thread makes the next step. The scheduler tries
 * all choices, one after the other. An operation inside a callback (a cancel, a
 * submission to the list or a completion) comes between the same steps, so the
 * operation needs no thread of its own.
 */
#include "core/waitlist.h"

#include "core_test.h"

#define WAITERS	  3
#define MAX_STEPS 64

enum stop { NOTHING = WAITERS, END_ALL, STOP, STOPS };

struct waiter {
	struct core_waiter base; /* first */
	int first; /* result of the first attempt; the next returns 0 */
	unsigned int n_attempts, n_done;
	unsigned int submitted_at; /* the step, or 0 */
	bool to_end; /* cancelled; then no attempt begins any more */
	int result;
};

enum phase { IDLE, IN_ATTEMPT, IN_DONE, IN_DONE_OF_ENDED };

struct thread {
	enum phase phase;
	struct waiter *waiter; /* of the callback */
};

/*
 * One scenario: the number of waiters, which of them are cancelled, and when.
 */
struct scenario {
	unsigned int n_waiters;
	int first[WAITERS];
	unsigned int nowait; /* which waiter, or WAITERS: none */
	unsigned int stop;   /* which waiter is cancelled, or enum stop */
	unsigned int n_stops, n_events; /* how often, at most */
};

static struct core_wait_mutex lock = { PTHREAD_MUTEX_INITIALIZER };
static struct core_waitlists all;
static struct core_waitlist list;
static const struct scenario *scenario;
static struct waiter waiters[WAITERS];
/*
 * Threads that submit, a thread that reports events, and a thread that ends
 * waiters.
 */
static struct thread threads[WAITERS + 2];
#define EVENTS (&threads[WAITERS])
#define ENDS   (&threads[WAITERS + 1])
static unsigned int n_running, n_events, step, last_success;
static unsigned int last_start, last_wake, last_vain_start;
static unsigned int n_stops;

/* The choices of this run, and the number of possible choices. */
static unsigned int choice[MAX_STEPS], n_choices[MAX_STEPS];
static unsigned long n_interleavings;

#define CHECK(x)                    \
	do {                        \
		if (!(x))           \
			broken(#x); \
	} while (0)

static void broken(const char *what)
{
	print_message("# waiters %u: first", scenario->n_waiters);
	for (unsigned int i = 0; i < scenario->n_waiters; i++)
		print_message(" %d", scenario->first[i]);
	print_message("; nowait %u, stop %u; choices", scenario->nowait,
		      scenario->stop);
	for (unsigned int i = 0; i < step; i++)
		print_message(" %u", choice[i]);
	print_message("\n");
	fail_msg("%s", what);
}

static void begin_done(struct thread *thread, enum phase phase) CORE_WAIT_LOCKED
{
	thread->phase = phase;
	thread->waiter->result = thread->waiter->base.end;
}

/* Moves to the next callback, if there is one. */
static void proceed(struct thread *thread) CORE_WAIT_LOCKED
{
	thread->waiter = (struct waiter *)core_waitlist_next(&list);
	thread->phase = IDLE;
	if (!thread->waiter)
		return;
	CHECK(thread->waiter->n_done == 0);
	if (thread->waiter->base.state == CORE_WAITER_DONE) {
		begin_done(thread, IN_DONE);
		return;
	}
	CHECK(n_running++ == 0);
	CHECK(!thread->waiter->to_end);
	last_start = step;
	thread->phase = IN_ATTEMPT;
}

static void end_attempt(struct thread *thread) CORE_WAIT_LOCKED
{
	struct waiter *waiter = thread->waiter;
	int r = waiter->n_attempts++ == 0 ? waiter->first : 0;

	n_running--;
	if (r == -EAGAIN)
		last_vain_start = last_start;
	if (r == 0) {
		CHECK(waiter->submitted_at > last_success);
		last_success = waiter->submitted_at;
	}
	if (core_waitlist_tried(&list, r))
		begin_done(thread, IN_DONE);
	else
		proceed(thread);
}

static void end_done(struct thread *thread) CORE_WAIT_LOCKED
{
	struct waiter *waiter = thread->waiter;
	const bool of_ended = thread->phase == IN_DONE_OF_ENDED;

	/* The result that done() was called with doesn't change. */
	CHECK(waiter->result == waiter->base.end);
	waiter->n_done++;
	CHECK(waiter->n_done == 1);
	/* -EAGAIN comes from an attempt that began after the submission. */
	if (waiter->result == -EAGAIN)
		CHECK(last_vain_start >= waiter->submitted_at);
	/* The memory belongs to the caller. */
	memset(&waiter->base, 0xff, sizeof(waiter->base));
	if (of_ended) {
		thread->phase = IDLE;
		return;
	}
	core_waitlist_finished(&list);
	proceed(thread);
}

static void submit(unsigned int i) CORE_WAIT_LOCKED
{
	waiters[i].submitted_at = step;
	core_waitlist_add(&list, &waiters[i].base);
	proceed(&threads[i]);
}

static void report_event(void) CORE_WAIT_LOCKED
{
	last_wake = step;
	core_waitlist_wake(&list);
	proceed(EVENTS);
}

static void stop(void) CORE_WAIT_LOCKED
{
	n_stops++;
	for (unsigned int i = 0; i < scenario->n_waiters; i++)
		waiters[i].to_end =
			scenario->stop == i || (scenario->stop >= WAITERS &&
						waiters[i].submitted_at > 0);
	if (scenario->stop >= WAITERS) {
		all.end = scenario->stop == STOP ? -ENOTCONN : 0;
		core_waitlist_end_all(&list, -ENOTCONN);
	} else if (waiters[scenario->stop].n_done == 0) {
		core_waitlist_end(&waiters[scenario->stop].base, -EINTR);
	}
}

static bool may_step(const struct thread *thread) CORE_WAIT_LOCKED
{
	const size_t i = (size_t)(thread - threads);

	if (thread->phase != IDLE)
		return true;
	if (thread == EVENTS)
		return n_events < scenario->n_events;
	if (thread == ENDS)
		return !TAILQ_EMPTY(&all.ended);
	return i < scenario->n_waiters && waiters[i].submitted_at == 0;
}

static void make_step(struct thread *thread) CORE_WAIT_LOCKED
{
	if (thread->phase == IN_ATTEMPT) {
		end_attempt(thread);
	} else if (thread->phase != IDLE) {
		end_done(thread);
	} else if (thread == EVENTS) {
		n_events++;
		report_event();
	} else if (thread == ENDS) {
		thread->waiter =
			(struct waiter *)core_waitlists_next_ended(&all);
		begin_done(thread, IN_DONE_OF_ENDED);
		CHECK(thread->waiter->n_done == 0);
	} else {
		submit((unsigned int)(thread - threads));
	}
}

static bool all_done(void)
{
	for (unsigned int i = 0; i < scenario->n_waiters; i++) {
		if (waiters[i].n_done == 0)
			return false;
	}
	return true;
}

/* Makes one step of those that are possible. Returns false if there is none. */
static bool make_a_step(void) CORE_WAIT_LOCKED
{
	struct thread *possible[COUNT(threads)];
	unsigned int n = 0;
	const bool can_stop =
		scenario->stop != NOTHING && n_stops < scenario->n_stops;

	for (size_t i = 0; i < COUNT(threads); i++) {
		if (may_step(&threads[i]))
			possible[n++] = &threads[i];
	}
	if (n == 0 && !can_stop && all_done())
		return false;
	CHECK(step < MAX_STEPS);
	if (n == 0 && !can_stop) {
		/* All waiters wait for an event, and no attempt is due. */
		CHECK(core_waitlist_is_blocked(&list));
		CHECK(last_start >= last_wake);
		for (unsigned int i = 0; i < scenario->n_waiters; i++)
			CHECK(waiters[i].n_done > 0 ||
			      last_start >= waiters[i].submitted_at);
		n_choices[step] = 1;
		step++;
		report_event();
		CHECK(EVENTS->phase == IN_ATTEMPT);
		return true;
	}
	n_choices[step] = n + can_stop;
	if (choice[step] < n) {
		struct thread *thread = possible[choice[step]];

		step++;
		make_step(thread);
	} else {
		step++;
		stop();
	}
	return true;
}

static void check_result(const struct waiter *waiter, unsigned int i)
{
	const bool cancelled = scenario->stop == i;
	const bool ended = scenario->stop == END_ALL || scenario->stop == STOP;

	if (waiter->result == -EINTR)
		CHECK(cancelled);
	else if (waiter->result == -ENOTCONN)
		CHECK(ended);
	else if (waiter->result == -EAGAIN)
		CHECK(scenario->nowait == i);
	else
		CHECK(waiter->result == 0 && waiter->n_attempts > 0);
}

static void run_once(void) CORE_WAIT_LOCKED
{
	memset(threads, 0, sizeof(threads));
	memset(waiters, 0, sizeof(waiters));
	core_waitlists_init(&all);
	core_waitlist_init(&list, &all);
	for (unsigned int i = 0; i < scenario->n_waiters; i++) {
		waiters[i].first = scenario->first[i];
		waiters[i].base.nowait = scenario->nowait == i ? -EAGAIN : 0;
		/* In the heap, to check that the waiter is removed from it. */
		waiters[i].base.deadline = 1 + i;
	}
	n_running = n_events = last_success = 0;
	last_start = last_wake = last_vain_start = 0;
	n_stops = 0;
	step = 0;
	while (make_a_step())
		;
	for (unsigned int i = 0; i < scenario->n_waiters; i++)
		check_result(&waiters[i], i);
	CHECK(core_waitlist_is_idle(&list) && !list.busy);
	CHECK(TAILQ_EMPTY(&all.ended) && !all.due && n_running == 0);
	n_interleavings++;
}

/* Every sequence of choices, the last one changing first. */
static void run_all(const struct scenario *what)
{
	unsigned int last;

	scenario = what;
	memset(choice, 0, sizeof(choice));
	core_wait_mutex_lock(&lock);
	do {
		run_once();
		last = step;
		while (last > 0 && choice[last - 1] + 1 >= n_choices[last - 1])
			choice[--last] = 0;
		if (last > 0)
			choice[last - 1]++;
	} while (last > 0);
	core_wait_mutex_unlock(&lock);
}

static void test_all_interleavings(void **state)
{
	static const int firsts[] = { -EAGAIN, CORE_WAIT_AGAIN, 0 };
	struct scenario s = { .n_waiters = 0 };

	(void)state;
	n_interleavings = 0;
	for (unsigned int n = 1; n <= WAITERS; n++) {
		const unsigned int n_firsts = n == 1 ? 3 : n == 2 ? 9 : 27;

		s.n_waiters = n;
		for (unsigned int f = 0; f < n_firsts; f++) {
			s.first[0] = firsts[f % 3];
			s.first[1] = firsts[f / 3 % 3];
			s.first[2] = firsts[f / 9];
			for (s.nowait = 0; s.nowait <= WAITERS; s.nowait++) {
				for (s.stop = 0; s.stop < STOPS; s.stop++) {
					/*
					 * Scenarios of three waiters that all
					 * wait.
					 */
					s.n_events = n < 3 || f == 0;
					s.n_stops = n < 3 ? 2 : 1;
					run_all(&s);
				}
			}
		}
	}
	print_message("# %lu interleavings\n", n_interleavings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_interleavings),
	};

	return cmocka_run_group_tests_name("waitlist", tests, NULL, NULL);
}
