#include "repair.h"

const char *repair_name(int repair) {
    static const char *const names[REPAIR_COUNT] = {
#define X(name, text) text,
        CHATTER_REPAIRS(X)
#undef X
    };
    return repair >= 0 && repair < REPAIR_COUNT ? names[repair] : "";
}
