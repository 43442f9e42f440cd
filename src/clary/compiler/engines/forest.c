/* Decision trees as one array of nodes, walked without a branch: LANES walks go on side by side, so that their loads
   overlap. `forest.py` builds it once for each model, with these defined:

   INPUT   float or double, what rows consist of        FEATURES    numbers in a row
   VALUE   float or double, leaves and answers           OUTPUTS     scores of a row
   VECTOR  1 where each leaf holds all OUTPUTS           TREES       a multiple of LANES
   LINK    what makes scores of sums, by the names below CATEGORIES  1 where any split tests a category

   Sums are doubles, so that their order does not show.
*/

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define IDENTITY 0
#define SIGMOID 1 /* with SLOPE */
#define SOFTMAX 2
#define EXPONENTIAL 3
#define LOG1P_EXPONENTIAL 4
#define HINGE 5

/* At a split a row goes to `next`, or to the node behind it: where its number reaches `edge`, or is missing and RIGHT is
   set. A leaf is its own `next` and its edge is NaN, which nothing reaches. */
typedef struct {
    INPUT edge;
    uint32_t feature;
    int32_t next;
} Node;

#define RIGHT 0x80000000u
#define CATEGORY 0x40000000u /* `edge` is the number of a set; its members go to the node behind `next` */
#define FEATURE 0x3fffffffu

typedef struct {
    const Node *nodes;
    const uint32_t *slots;  /* of each node, where its leaf's values begin */
    const VALUE *values;
    const int32_t *roots;   /* of each tree, shallow ones first */
    const int32_t *depths;  /* of every LANES trees, the longest walk */
    const int32_t *outputs; /* of each tree, the score that its leaves add to */
    const double *base;     /* of each score: what it begins with */
    const double *share;    /* of each score: what the sum of its trees is multiplied by */
    const uint32_t *sets;   /* categories: offset and number of words of each set, then the words */
} Forest;

#if CATEGORIES
static inline int member(const Forest *f, INPUT number, int set) {
    const uint32_t *entry = f->sets + 2 * set;
    if (!(number >= 0) || number >= (INPUT)entry[1] * 32) return 0;
    uint32_t category = (uint32_t)number;
    return (f->sets[entry[0] + category / 32] >> (category % 32)) & 1;
}

static inline int right(const Forest *f, const Node *n, INPUT number) {
    if (isnan(number)) return n->feature >= RIGHT;
    if (n->feature & CATEGORY) return member(f, number, (int)n->edge);
    return number >= n->edge;
}
#define STEP(n, x) ((n)->next + right(f, n, (x)[(n)->feature & FEATURE]))
#define STEP_MISSING STEP
#else
#define STEP(n, x) ((n)->next + ((x)[(n)->feature & FEATURE] >= (n)->edge))
#define STEP_MISSING(n, x) \
    ((n)->next + (((x)[(n)->feature & FEATURE] >= (n)->edge) | \
                  (((n)->feature >= RIGHT) & (isnan((x)[(n)->feature & FEATURE]) != 0))))
#endif

static int missing(const INPUT *x, int64_t count) {
    int found = 0;
    for (int64_t i = 0; i < count; i++) found |= isnan(x[i]) != 0;
    return found;
}

#define WALK(STEPPED, ROW)                                          \
    for (int level = 0; level < levels; level++)                    \
        for (int lane = 0; lane < LANES; lane++) {                  \
            const Node *node = nodes + at[lane];                    \
            at[lane] = STEPPED(node, ROW);                          \
        }

static double link(double sum) {
#if LINK == SIGMOID
    return 1.0 / (1.0 + exp(-SLOPE * sum));
#elif LINK == EXPONENTIAL
    return exp(sum);
#elif LINK == LOG1P_EXPONENTIAL
    return log1p(exp(sum));
#elif LINK == HINGE
    return sum > 0;
#else
    return sum;
#endif
}

static void finish(const Forest *f, double *sum, VALUE *out) {
    for (int k = 0; k < OUTPUTS; k++) sum[k] = link(f->base[k] + sum[k] * f->share[k]);
#if LINK == SOFTMAX
    double highest = sum[0], total = 0;
    for (int k = 1; k < OUTPUTS; k++) highest = fmax(highest, sum[k]);
    for (int k = 0; k < OUTPUTS; k++) total += sum[k] = exp(sum[k] - highest);
    for (int k = 0; k < OUTPUTS; k++) sum[k] /= total;
#endif
    for (int k = 0; k < OUTPUTS; k++) out[k] = (VALUE)sum[k];
}

static inline void add(const Forest *f, int tree, int32_t at, double *sum) {
    const VALUE *values = f->values + f->slots[at];
#if VECTOR
    for (int k = 0; k < OUTPUTS; k++) sum[k] += values[k];
#else
    sum[f->outputs[tree]] += *values;
#endif
}

/* One row through LANES trees at a time. */
static void one(const Forest *restrict f, const INPUT *restrict x, VALUE *restrict out) {
    const Node *restrict nodes = f->nodes;
    const int has_missing = missing(x, FEATURES);
    double sum[OUTPUTS] = {0};
    for (int tree = 0; tree < TREES; tree += LANES) {
        int32_t at[LANES];
        const int levels = f->depths[tree / LANES];
        for (int lane = 0; lane < LANES; lane++) at[lane] = f->roots[tree + lane];
        if (has_missing) {
            WALK(STEP_MISSING, x)
        } else {
            WALK(STEP, x)
        }
        for (int lane = 0; lane < LANES; lane++) add(f, tree + lane, at[lane], sum);
    }
    finish(f, sum, out);
}

/* LANES rows at a time through one tree, which stays in the cache. */
static void several(const Forest *restrict f, const INPUT *restrict x, VALUE *restrict out) {
    const Node *restrict nodes = f->nodes;
    const int has_missing = missing(x, (int64_t)LANES * FEATURES);
    double sum[LANES][OUTPUTS];
    memset(sum, 0, sizeof sum);
    for (int tree = 0; tree < TREES; tree++) {
        int32_t at[LANES];
        const int levels = f->depths[tree / LANES];
        for (int lane = 0; lane < LANES; lane++) at[lane] = f->roots[tree];
        if (has_missing) {
            WALK(STEP_MISSING, x + (int64_t)lane * FEATURES)
        } else {
            WALK(STEP, x + (int64_t)lane * FEATURES)
        }
        for (int lane = 0; lane < LANES; lane++) add(f, tree, at[lane], sum[lane]);
    }
    for (int lane = 0; lane < LANES; lane++) finish(f, sum[lane], out + (int64_t)lane * OUTPUTS);
}

/* `x`: rows of FEATURES; `out`: rows of OUTPUTS. */
void predict(const Forest *f, const INPUT *x, int64_t rows, VALUE *out) {
    int64_t row = 0;
    for (; row + LANES <= rows; row += LANES) several(f, x + row * FEATURES, out + row * OUTPUTS);
    for (; row < rows; row++) one(f, x + row * FEATURES, out + row * OUTPUTS);
}
