#include "app/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

uint64_t privileges_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur;
}

void privileges_forbid_core_dumps(void)
{
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

static bool find_group(gid_t *ret, const char *name, struct error *error)
{
    errno = 0;
    const struct group *found = getgrnam(name);
    if (found == NULL)
        return error_input(error, "group: there is no group \"%s\"", name);
    *ret = found->gr_gid;
    return true;
}

bool privileges_drop(const char *user, const char *group, struct error *error)
{
    if (user == NULL && group == NULL)
        return true;
    if (geteuid() != 0)
        return error_input(error, "user and group can only be changed when started as root");
    const struct passwd *found = user == NULL ? NULL : getpwnam(user);
    if (user != NULL && found == NULL)
        return error_input(error, "user: there is no user \"%s\"", user);
    uid_t uid = found == NULL ? geteuid() : found->pw_uid;
    gid_t gid = found == NULL ? getegid() : found->pw_gid;
    if (group != NULL && !find_group(&gid, group, error))
        return false;
    if (setgroups(0, NULL) != 0 || setgid(gid) != 0)
        return error_system(error, errno, "cannot change to group %u", (unsigned)gid);
    if (user != NULL && (initgroups(user, gid) != 0 || setuid(uid) != 0))
        return error_system(error, errno, "cannot change to user \"%s\"", user);
    /* What was given up must not be to be had again. */
    if (uid != 0 && setuid(0) == 0)
        return error_input(error, "the privileges could be taken back: not going on");
    return true;
}
