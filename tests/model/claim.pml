/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How hosts that share a token agree on who makes the object of one nickname: the protocol of docs/claims.md, for spin.
 * tests/model/run checks it in the variants that it lists; README.md says how to read them.
 *
 * A host's steps interleave with all others' in any way, and any time may pass between two of them: a host that
 * sleeps for hours between its look and its creation is among the runs.
 *
 * Chosen by -D:
 *   N            hosts
 *   VIEW         what a search shows, see below
 *   PASSES       1: one fresh process searches twice. 2: each search has a process (or a C_Initialize) of its own
 *   FIRST        what is searched first: CLAIMS or OBJECTS
 *   TIE          what a host does that sees another's claim: see below
 *   CRASHES      how many crashes of hosts there may be, each at any step
 *   FAILS        1: a creation may fail, and leave half a pair that its host then removes
 *   GIVE_UP      1: the deadline of a request may pass
 *   OPERATOR     NONE, DUTIFUL (removes claims of hosts that are down), CARELESS (once, of any host)
 *   LATE         1: a creation may take effect after its host has crashed and started again
 *   NAMES        1: a host does not make a key, but names one that is there (Rename, and an Import that names): the private
 *                half gets the nickname, then the public one; where the certificate is refused the name is taken back
 *   PROGRESS     1: check that someone succeeds, instead of safety
 */

#define CLAIMS   1
#define OBJECTS  2
#define NONE     1
#define DUTIFUL  2
#define CARELESS 3

/* A search shows, of each thing, */
#define LIVE     1 /* whether it is there when the search comes to it */
#define SNAPSHOT 2 /* whether it was there when the process started */
#define WEAK     3 /* either: complete is only what was there when the process started, and still is */
#define STALE    4 /* as WEAK, but by the process that wrote the claim, and as of before it wrote it */

/* A host that sees another's claim, and no object, */
#define WITHDRAW 1 /* withdraws its own, and begins again */
#define ANY      2 /* does that, or keeps its own and looks again, or withdraws and waits for the claim to go */
#define LOWER    3 /* keeps its own where its number is the lowest, else withdraws and waits: what tokend does */
#define WIN      4 /* creates where its number is the lowest, else as LOWER */
/* All hosts run the same code, so that only the order of their numbers matters: host 0 drew the lowest, and so on. */

#define BIT(h) (1 << (h))
#define MINE   BIT(me)

/* The token: sets of hosts. */
byte claims;
byte objects;  /* of the one nickname, by who made it */
byte half;     /* of these, pairs that are not whole; with NAMES, pairs whose public half has its old name */
byte pending;  /* creations that were called and have not taken effect */

byte down; /* hosts that crashed and have not started again */
byte ended, won, exist, failed, gave_up;
byte crashes;
bool broken; /* half a pair was there once */

/* Every step is one; before each of them the host may crash. */
#define CRASH atomic { crashes < CRASHES -> crashes++; down = down | MINE; goto crashed }
#define STEP(x) if :: atomic { true -> x } :: CRASH fi

#if VIEW == LIVE
#define READ(result, old, now) result = now
#elif VIEW == SNAPSHOT
#define READ(result, old, now) result = old
#else
#define READ(result, old, now) if :: result = old :: result = now fi
#endif

/* A search for claims: others' one by one, in any order. A crash in mid-look leaves on the token what one before
 * it leaves, so looks have no crashes of their own. */
inline begin_claims() {
        old_claims = claims & ~MINE
}

inline search_claim(h) {
        READ(there, old_claims & BIT(h), claims & BIT(h));
        if
        :: there -> others = true; if :: h < me -> lower = true :: else fi
        :: else
        fi;
        there = 0;
        left = left & ~BIT(h);
        if :: left == 0 -> old_claims = 0 :: else fi
}

inline search_claims() {
        left = (BIT(N) - 1) & ~MINE;
        do
        :: atomic { left & BIT(0) -> search_claim(0) }
        :: atomic { left & BIT(1) -> search_claim(1) }
#if N > 2
        :: atomic { left & BIT(2) -> search_claim(2) }
#endif
        :: atomic { left == 0 -> break }
        od
}

/* A search for objects of the nickname, of anybody. */
inline begin_objects() {
        old_objects = (objects != 0)
}

inline search_objects() {
        READ(seen, old_objects, (objects != 0));
        old_objects = false
}

/* What a host's look takes in: others, lower, seen. */
inline look() {
#if FIRST == OBJECTS
        atomic { begin_claims(); begin_objects() };
        atomic { search_objects() };
        search_claims()
#elif VIEW == STALE
        search_claims();
        atomic { search_objects() }
#elif PASSES == 1
        atomic { begin_claims(); begin_objects() };
        search_claims();
        atomic { search_objects() }
#else
        atomic { begin_claims() };
        search_claims();
        atomic { begin_objects() };
        atomic { search_objects() }
#endif
}

inline forget() {
        seen = false; others = false; lower = false
}

proctype host(byte me) {
        byte old_claims, left, there;
        bool old_objects, seen, others, lower;

start:
        /* What its own last life left: half a pair, then the claim. */
        atomic {
#if !LATE
                !(pending & MINE) ->
#endif
                down = down & ~MINE
        };
#if NAMES
        STEP(half = half & ~MINE);
#else
        STEP(if :: half & MINE -> objects = objects & ~MINE; half = half & ~MINE :: else fi);
#endif
        STEP(claims = claims & ~MINE);
        if
        :: atomic { crashes > 0 -> goto finished } /* nobody asks again */
        :: true
        fi;

claim:
#if VIEW == STALE
        STEP(begin_claims(); begin_objects());
#endif
        STEP(claims = claims | MINE);
again:
        look();
        if
        :: atomic { seen -> forget() };
           STEP(claims = claims & ~MINE);
           atomic { exist++; goto finished }
        :: atomic { !seen && !others -> goto create }
        :: !seen && others ->
                if
#if TIE == WITHDRAW
                :: atomic { forget() };
                   STEP(claims = claims & ~MINE);
                   goto claim
#elif TIE == ANY
                :: atomic { forget(); goto again }
                :: atomic { forget() };
                   STEP(claims = claims & ~MINE);
                   if :: goto claim :: goto wait fi
#else
#if TIE == WIN
                :: atomic { !lower -> forget(); goto create }
#else
                :: atomic { !lower -> forget(); goto again }
#endif
                :: atomic { lower -> forget() };
                   STEP(claims = claims & ~MINE);
                   goto wait
#endif
#if GIVE_UP
                :: atomic { forget() };
                   STEP(claims = claims & ~MINE);
                   atomic { gave_up++; goto finished }
#endif
                fi
        fi;

wait:
        /* Without a claim, until there is no other one. */
        look();
        if
        :: atomic { seen -> forget(); exist++; goto finished }
        :: atomic { !seen && others -> forget(); goto wait }
        :: atomic { !seen && !others -> goto claim }
#if GIVE_UP
        :: atomic { !seen && others -> forget(); gave_up++; goto finished }
#endif
        fi;

create:
        STEP(pending = pending | MINE);
        if
        :: atomic { !(pending & MINE) -> skip }
        :: CRASH
        fi;
#if NAMES
        STEP(half = half & ~MINE);
#if FAILS
        if
        :: STEP(if :: objects & MINE -> objects = objects & ~MINE; broken = true :: else fi)
        :: true
        fi;
#endif
#endif
        if
        :: atomic { (objects & MINE) && !(half & MINE) };
           STEP(claims = claims & ~MINE);
           atomic { won++; goto finished }
        :: atomic { !(objects & MINE) || (half & MINE) };
           STEP(objects = objects & ~MINE; half = half & ~MINE);
           STEP(claims = claims & ~MINE);
           atomic { failed++; goto finished }
        fi;

crashed:
        atomic {
                old_claims = 0; old_objects = false;
                if
                :: goto start
                :: ended++; goto gone
                fi
        };

finished:
        /* Nothing of it is left but a whole object that it made, in this life or in one that crashed. */
        atomic {
                assert(!(claims & MINE));
                assert(!(half & MINE));
                assert(won <= 1);
                ended++
        };
gone:
        skip
}

/* Creations take effect, or do not. This is where there must never be two. */
active proctype device() {
        byte h;
end:
        do
        :: atomic {
                pending != 0 ->
                if
                :: pending & BIT(0) -> h = 0
                :: pending & BIT(1) -> h = 1
#if N > 2
                :: pending & BIT(2) -> h = 2
#endif
                fi;
                if
#if NAMES
                :: objects = objects | BIT(h); half = half | BIT(h)
#if FAILS
                :: true
#endif
#else
                :: objects = objects | BIT(h)
#endif
#if FAILS && !NAMES
                :: objects = objects | BIT(h); half = half | BIT(h); broken = true
                :: true
#endif
                fi;
                pending = pending & ~BIT(h);
                h = 0;
                assert((objects & (objects - 1)) == 0)
           }
        od
}

#if OPERATOR != NONE
active proctype operator() {
        byte h;
        do
        :: break
#if OPERATOR == DUTIFUL
        /* The host is down, and the device has ended what it did for it. */
        :: atomic { claims & down & ~pending & BIT(0) -> claims = claims & ~BIT(0) }
        :: atomic { claims & down & ~pending & BIT(1) -> claims = claims & ~BIT(1) }
#if N > 2
        :: atomic { claims & down & ~pending & BIT(2) -> claims = claims & ~BIT(2) }
#endif
#else
        :: atomic { claims & BIT(0) -> claims = claims & ~BIT(0); break }
#endif
        od
}
#endif

init {
        atomic {
                run host(0);
                run host(1);
#if N > 2
                run host(2);
#endif
        }
#if !PROGRESS
        /* Nothing can move any more: all have ended, not one is stuck. */
        atomic {
                timeout ->
                assert(ended == N);
                assert((claims & ~down) == 0);
                assert(won <= 1);
                assert(crashes > 0 || failed > 0 || gave_up > 0 || (won == 1 && objects != 0 && exist == N - 1));
                assert(exist == 0 || objects != 0 || broken)
        }
#endif
}

#if PROGRESS
ltl someone { <> (won > 0) }
#endif
