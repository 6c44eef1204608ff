// Stands in for Passenger's support library, which Debian does not package: with it Debian's own sources of
// Passenger's nginx module can be built, and drive Debian's PassengerAgent. It has what that module calls, for Node
// apps whose place is given in the configuration. JSON is jsoncpp, as in the original.
#include <json/json.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "FileTools/PathManipCBindings.h"
#include "JsonTools/CBindings.h"
#include "WrapperRegistry/CBindings.h"

namespace {

Json::Value &json(void *value) { return *static_cast<Json::Value *>(value); }
const Json::Value &json(const void *value) { return *static_cast<const Json::Value *>(value); }
Json::Value::iterator &iterator(void *it) { return *static_cast<Json::Value::iterator *>(it); }

std::string text(const char *data, size_t size) {
  return size == static_cast<size_t>(-1) ? std::string(data) : std::string(data, size);
}

char *copy(const std::string &value, size_t *size = nullptr) {
  if (size != nullptr) *size = value.size();
  return strdup(value.c_str());
}

Json::Value *put(void *doc, const char *name, size_t size, const Json::Value &value) {
  Json::Value &place = json(doc)[text(name, size)];
  place = value;
  return &place;
}

const size_t WHOLE = static_cast<size_t>(-1);

}  // namespace

extern "C" {

/* JSON */

PsgJsonValue *psg_json_value_new_null() { return new Json::Value(); }
PsgJsonValue *psg_json_value_new_with_type(PsgJsonValueType type) {
  return new Json::Value(static_cast<Json::ValueType>(type));
}
PsgJsonValue *psg_json_value_new_str(const char *val, size_t size) { return new Json::Value(text(val, size)); }
PsgJsonValue *psg_json_value_new_int(int val) { return new Json::Value(val); }
PsgJsonValue *psg_json_value_new_uint(unsigned int val) { return new Json::Value(val); }
PsgJsonValue *psg_json_value_new_real(double val) { return new Json::Value(val); }
PsgJsonValue *psg_json_value_new_bool(int val) { return new Json::Value(val != 0); }
void psg_json_value_free(PsgJsonValue *val) { delete static_cast<Json::Value *>(val); }

PsgJsonValue *psg_json_value_get_or_create_null(PsgJsonValue *doc, const char *name, size_t size) {
  return &json(doc)[text(name, size)];
}
PsgJsonValue *psg_json_value_get(PsgJsonValue *doc, const char *name, size_t size) {
  const std::string key = text(name, size);
  return json(doc).isMember(key) ? &json(doc)[key] : nullptr;
}
PsgJsonValue *psg_json_value_get_at_index(PsgJsonValue *doc, unsigned int index) { return &json(doc)[index]; }
PsgJsonValueType psg_json_value_type(const PsgJsonValue *doc) {
  return static_cast<PsgJsonValueType>(json(doc).type());
}
int psg_json_value_eq(const PsgJsonValue *doc, const PsgJsonValue *other) { return json(doc) == json(other); }
int psg_json_value_is_member(const PsgJsonValue *doc, const char *name, size_t size) {
  return json(doc).isMember(text(name, size));
}
unsigned int psg_json_value_size(const PsgJsonValue *doc) { return json(doc).size(); }

PsgJsonValue *psg_json_value_set_value(PsgJsonValue *doc, const char *name, size_t size, const PsgJsonValue *val) {
  return put(doc, name, size, json(val));
}
PsgJsonValue *psg_json_value_set_str(PsgJsonValue *doc, const char *name, const char *val, size_t size) {
  return put(doc, name, WHOLE, text(val, size));
}
PsgJsonValue *psg_json_value_set_int(PsgJsonValue *doc, const char *name, int val) {
  return put(doc, name, WHOLE, val);
}
PsgJsonValue *psg_json_value_set_uint(PsgJsonValue *doc, const char *name, unsigned int val) {
  return put(doc, name, WHOLE, val);
}
PsgJsonValue *psg_json_value_set_real(PsgJsonValue *doc, const char *name, double val) {
  return put(doc, name, WHOLE, val);
}
PsgJsonValue *psg_json_value_set_bool(PsgJsonValue *doc, const char *name, int val) {
  return put(doc, name, WHOLE, val != 0);
}

PsgJsonValue *psg_json_value_append_val(PsgJsonValue *doc, const PsgJsonValue *val) {
  return &json(doc).append(json(val));
}
void psg_json_value_swap(PsgJsonValue *doc, PsgJsonValue *other) { json(doc).swap(json(other)); }
int psg_json_value_is_null(const PsgJsonValue *doc) { return json(doc).isNull(); }
int psg_json_value_empty(const PsgJsonValue *doc) { return json(doc).empty(); }
const char *psg_json_value_as_cstr(const PsgJsonValue *doc) { return json(doc).asCString(); }
const char *psg_json_value_get_str(const PsgJsonValue *doc, size_t *size) {
  const char *begin = nullptr;
  const char *end = nullptr;
  if (!json(doc).getString(&begin, &end)) return nullptr;
  if (size != nullptr) *size = end - begin;
  return begin;
}
char *psg_json_value_to_styled_string(const PsgJsonValue *doc) { return copy(json(doc).toStyledString()); }

/** A number or a boolean where the text is one, else the text. */
PsgJsonValue *psg_autocast_value_to_json(const char *data, size_t size, char **) {
  Json::Value value;
  const std::string all = text(data, size);
  const bool isScalar = Json::Reader().parse(all, value) && (value.isNumeric() || value.isBool());
  return new Json::Value(isScalar ? value : Json::Value(all));
}

void psg_json_value_begin(PsgJsonValue *doc, PsgJsonValueIterator *it) { iterator(it) = json(doc).begin(); }
void psg_json_value_end(PsgJsonValue *doc, PsgJsonValueIterator *it) { iterator(it) = json(doc).end(); }
PsgJsonValueIterator *psg_json_value_iterator_new() { return new Json::Value::iterator(); }
void psg_json_value_iterator_free(PsgJsonValueIterator *it) { delete static_cast<Json::Value::iterator *>(it); }
void psg_json_value_iterator_advance(PsgJsonValueIterator *it) { ++iterator(it); }
int psg_json_value_iterator_eq(PsgJsonValueIterator *it, PsgJsonValueIterator *other) {
  return iterator(it) == iterator(other);
}
const char *psg_json_value_iterator_get_name(PsgJsonValueIterator *it, size_t *size) {
  const char *end = nullptr;
  const char *begin = iterator(it).memberName(&end);
  if (size != nullptr) *size = end - begin;
  return begin;
}
PsgJsonValue *psg_json_value_iterator_get_value(PsgJsonValueIterator *it) { return &*iterator(it); }

/* Paths */

char *psg_absolutize_path(const char *path, size_t size, const char *folder, size_t folderSize, size_t *result) {
  const std::string given = text(path, size);
  if (!given.empty() && given[0] == '/') return copy(given, result);
  return copy(text(folder, folderSize) + "/" + given, result);
}

char *psg_resolve_symlink(const char *path, size_t size, size_t *result) {
  const std::string given = text(path, size);
  char target[4096];
  const ssize_t length = readlink(given.c_str(), target, sizeof target);
  return copy(length < 0 ? given : std::string(target, length), result);
}

const char *psg_extract_dir_name_static(const char *path, size_t size, size_t *result) {
  size_t end = size;
  while (end > 1 && path[end - 1] != '/') end -= 1;
  while (end > 1 && path[end - 1] == '/') end -= 1;
  *result = end;
  return path;
}

void *pp_cached_file_stat_new(unsigned int) { return std::malloc(1); }
void pp_cached_file_stat_free(void *cache) { std::free(cache); }
int pp_cached_file_stat_perform(void *, const char *path, struct stat *found, unsigned int) {
  return stat(path, found);
}

/* Kinds of apps: Node alone */

struct PP_Error {
  const char *message;
  int errnoCode;
  int messageIsStatic : 1;
};
void pp_error_init(PP_Error *error) { *error = {nullptr, -1, 0}; }
void pp_error_destroy(PP_Error *) {}

PsgWrapperRegistry *psg_wrapper_registry_new() { return copy("node"); }
void psg_wrapper_registry_free(PsgWrapperRegistry *registry) { std::free(registry); }
void psg_wrapper_registry_finalize(PsgWrapperRegistry *) {}
const PsgWrapperRegistryEntry *psg_wrapper_registry_lookup(PsgWrapperRegistry *registry, const char *name,
                                                           size_t size) {
  return text(name, size) == "node" ? registry : nullptr;
}
int psg_wrapper_registry_entry_is_null(const PsgWrapperRegistryEntry *entry) { return entry == nullptr; }
const char *psg_wrapper_registry_entry_get_language(const PsgWrapperRegistryEntry *, size_t *size) {
  if (size != nullptr) *size = std::strlen("nodejs");
  return "nodejs";
}

struct DetectorResult {
  const void *entry;
};
size_t psg_app_type_detector_result_get_object_size() { return sizeof(DetectorResult); }
void *psg_app_type_detector_result_init(void *memory) { return new (memory) DetectorResult{nullptr}; }
void psg_app_type_detector_result_deinit(void *) {}
int psg_app_type_detector_result_is_null(const void *result) {
  return static_cast<const DetectorResult *>(result)->entry == nullptr;
}
const void *psg_app_type_detector_result_get_wrapper_registry_entry(const void *result) {
  return static_cast<const DetectorResult *>(result)->entry;
}
void psg_app_type_detector_result_set_wrapper_registry_entry(void *result, const void *entry) {
  static_cast<DetectorResult *>(result)->entry = entry;
}
const char *psg_app_type_detector_result_get_app_start_command(const void *, size_t *size) {
  if (size != nullptr) *size = 0;
  return "";
}
void *psg_app_type_detector_new(const void *registry, unsigned int) { return const_cast<void *>(registry); }
void psg_app_type_detector_free(void *) {}
void psg_app_type_detector_set_throttle_rate(void *, unsigned int) {}
void psg_app_type_detector_check_document_root(void *, void *, const char *, unsigned int, int, PP_Error *) {}
void psg_app_type_detector_check_app_root(void *, void *, const char *, unsigned int, PP_Error *) {}

/* The watchdog: starts PassengerAgent, tells it the configuration, and learns where it listens */

struct Launcher {
  int mode;
  pid_t pid = 0;
  int feedback = -1;
  std::string address;
  std::string password;
  std::string folder;
};

static const char AGENT[] = "/usr/lib/passenger/support-binaries/PassengerAgent";
static const int FEEDBACK = 3;

static bool sendAll(int fd, const std::string &data) {
  for (size_t done = 0; done < data.size();) {
    const ssize_t written = send(fd, data.data() + done, data.size() - done, MSG_NOSIGNAL);
    if (written <= 0) return false;
    done += written;
  }
  return true;
}

static bool receive(int fd, size_t size, std::string &data) {
  data.resize(size);
  for (size_t done = 0; done < size;) {
    const ssize_t got = read(fd, &data[done], size - done);
    if (got <= 0) return false;
    done += got;
  }
  return true;
}

/** Big-endian length in so many bytes, then the message. */
static bool receiveMessage(int fd, int lengthBytes, std::string &data) {
  std::string length;
  if (!receive(fd, lengthBytes, length)) return false;
  size_t size = 0;
  for (const char digit : length) size = size << 8 | static_cast<unsigned char>(digit);
  return receive(fd, size, data);
}

static std::string withLength(const std::string &data) {
  std::string length;
  for (int shift = 24; shift >= 0; shift -= 8) length.push_back(static_cast<char>(data.size() >> shift & 255));
  return length + data;
}

void *psg_watchdog_launcher_new(int mode, char **) { return new Launcher{mode}; }

int psg_watchdog_launcher_start(void *handle, const char *root, PsgJsonValue *config,
                                void (*afterFork)(void *, void *), void *argument, char **error) {
  Launcher &launcher = *static_cast<Launcher *>(handle);
  Json::Value all;
  all["web_server_control_process_pid"] = getpid();
  all["integration_mode"] = "nginx";
  all["passenger_root"] = root;
  for (const std::string &name : json(config).getMemberNames()) all[name] = json(config)[name];

  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
    *error = copy(std::string("socketpair: ") + std::strerror(errno));
    return 0;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int number = 1; number < 32; number += 1) signal(number, SIG_DFL);
    if (pair[1] != FEEDBACK) dup2(pair[1], FEEDBACK);
    setenv("PASSENGER_USE_FEEDBACK_FD", "true", 1);
    if (afterFork != nullptr) afterFork(argument, nullptr);
    for (int fd = FEEDBACK + 1; fd < 1024; fd += 1) close(fd);
    execl(AGENT, "PassengerAgent", "watchdog", "                                                ",
          static_cast<char *>(nullptr));
    _exit(1);
  }
  close(pair[1]);
  std::string kind;
  std::string report;
  Json::Value told;
  const bool isStarted = pid > 0 && sendAll(pair[0], withLength(all.toStyledString())) &&
                         receiveMessage(pair[0], 2, kind) && kind == std::string("Agents information\0", 19) &&
                         receiveMessage(pair[0], 4, report) && Json::Reader().parse(report, told);
  if (!isStarted) {
    *error = copy("PassengerAgent did not start: " + kind);
    if (pid > 0) {
      killpg(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    close(pair[0]);
    return 0;
  }
  launcher.pid = pid;
  launcher.feedback = pair[0];
  launcher.address = told["core_address"].asString();
  launcher.password = told["core_password"].asString();
  launcher.folder = told["instance_dir"].asString();
  return 1;
}

static const char *give(const std::string &value, unsigned int *size) {
  if (size != nullptr) *size = value.size();
  return value.c_str();
}
const char *psg_watchdog_launcher_get_core_address(void *launcher, unsigned int *size) {
  return give(static_cast<Launcher *>(launcher)->address, size);
}
const char *psg_watchdog_launcher_get_core_password(void *launcher, unsigned int *size) {
  return give(static_cast<Launcher *>(launcher)->password, size);
}
const char *psg_watchdog_launcher_get_instance_dir(void *launcher, unsigned int *size) {
  return give(static_cast<Launcher *>(launcher)->folder, size);
}
pid_t psg_watchdog_launcher_get_pid(void *launcher) { return static_cast<Launcher *>(launcher)->pid; }
void psg_watchdog_launcher_detach(void *handle) {
  Launcher &launcher = *static_cast<Launcher *>(handle);
  if (launcher.feedback >= 0) close(launcher.feedback);
  launcher.feedback = -1;
  launcher.pid = 0;
}
void psg_watchdog_launcher_free(void *handle) {
  Launcher *launcher = static_cast<Launcher *>(handle);
  if (launcher->pid != 0) {
    // A byte says that the end is meant.
    if (write(launcher->feedback, "c", 1) == 1) close(launcher->feedback);
    waitpid(launcher->pid, nullptr, 0);
  }
  delete launcher;
}

}  // extern "C"
