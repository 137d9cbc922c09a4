/// @file
/// The only place where bytes are sent and received: libcurl, and how long to wait for it.
#pragma once

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "weight_init/detail/http.hpp"
#include "weight_init/error.hpp"
#include "weight_init/options.hpp"

namespace weight_init::detail {

/// How a request ended.
struct Outcome {
    CURLcode code;
    std::string message;  // what libcurl has to say of an error
    Answer answer;
};

/// A connection to the service, kept from request to request.
class Connection {
  public:
    explicit Connection(Options options)
        : options_(std::move(options)), multi_(curl_multi_init()), easy_(curl_easy_init()), message_(CURL_ERROR_SIZE) {
        if (multi_ == nullptr || easy_ == nullptr) {
            throw Error(0, "No libcurl", "Expected libcurl to start; it did not. Is there memory left?");
        }
        set(CURLOPT_PROTOCOLS_STR, "http,https");
        set(CURLOPT_NOSIGNAL, 1L);  // other threads may handle signals
        set(CURLOPT_BUFFERSIZE, 512L * 1024);
        set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.timeout.count()));
        set(CURLOPT_ERRORBUFFER, message_.data());
        set(CURLOPT_WRITEFUNCTION, &Connection::on_body);
        if (!options_.api_key.empty()) {
            set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
            set(CURLOPT_XOAUTH2_BEARER, options_.api_key.c_str());
        }
    }

    [[nodiscard]] const Options& options() const noexcept { return options_; }

    /// Ask once. A failure of the connection is in the outcome; what the receiver throws is thrown.
    Outcome exchange(const Request& request, std::vector<std::string> headers, Receiver& receiver) {
        headers.emplace_back("Accept-Encoding: identity");  // weights do not compress, and lengths must agree
        if (request.body) {
            headers.emplace_back("Content-Type: application/json");
        }
        const Headers list = list_of(headers);
        Arriving arriving{receiver, Answer(easy_.get())};
        prepare(request, list.get(), arriving);
        const CURLcode code = perform();
        if (arriving.failure != nullptr) {
            std::rethrow_exception(arriving.failure);
        }
        if (code == CURLE_OK && !arriving.begun) {
            receiver.begin(arriving.answer, {});
        }
        return {code, message_.front() != '\0' ? message_.data() : curl_easy_strerror(code), arriving.answer};
    }

  private:
    using Clock = std::chrono::steady_clock;

    struct Cleanup {
        void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
    };
    struct EasyCleanup {
        void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
    };
    struct MultiCleanup {
        void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
    };
    using Headers = std::unique_ptr<curl_slist, Cleanup>;

    /// The part of a request that libcurl's callback sees.
    struct Arriving {
        Receiver& receiver;
        Answer answer;
        bool begun = false;
        std::exception_ptr failure = nullptr;
    };

    /// The request is with libcurl as long as this lives.
    class Running {
      public:
        Running(CURLM* multi, CURL* easy) : multi_(multi), easy_(easy) { check(curl_multi_add_handle(multi, easy)); }
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;
        ~Running() { curl_multi_remove_handle(multi_, easy_); }

      private:
        CURLM* multi_;
        CURL* easy_;
    };

    static void check(CURLMcode code) {
        if (code != CURLM_OK) {
            throw Error(0, "libcurl Failed", std::string("Expected libcurl to work; it says: ") + curl_multi_strerror(code) + ".");
        }
    }

    template <typename Value>
    void set(CURLoption option, Value value) {
        if (const CURLcode code = curl_easy_setopt(easy_.get(), option, value); code != CURLE_OK) {
            throw Error(0, "libcurl Failed", std::string("Expected libcurl 7.85 or newer; it says: ") + curl_easy_strerror(code) + ".");
        }
    }

    static Headers list_of(const std::vector<std::string>& headers) {
        Headers list;
        for (const std::string& header : headers) {
            curl_slist* longer = curl_slist_append(list.get(), header.c_str());
            if (longer == nullptr) {
                throw std::bad_alloc();
            }
            static_cast<void>(list.release());  // its nodes belong to the longer one
            list.reset(longer);
        }
        return list;
    }

    void prepare(const Request& request, curl_slist* headers, Arriving& arriving) {
        message_.front() = '\0';
        set(CURLOPT_URL, (options_.url.substr(0, options_.url.find_last_not_of('/') + 1) + request.path).c_str());
        set(CURLOPT_HTTPHEADER, headers);
        set(CURLOPT_WRITEDATA, &arriving);
        if (request.body) {
            set(CURLOPT_POSTFIELDS, request.body->c_str());
            set(CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body->size()));
        } else {
            set(CURLOPT_HTTPGET, 1L);
        }
    }

    /// Receive until the end. libcurl's own timeouts are for the whole of a request, or in whole seconds; this one is for each part.
    CURLcode perform() {
        const Running running(multi_.get(), easy_.get());
        auto place = this->place();
        auto since = Clock::now();
        for (int left = 1;;) {
            check(curl_multi_perform(multi_.get(), &left));
            if (left == 0) {
                return result();
            }
            if (const auto now = this->place(); now != place) {
                place = now;
                since = Clock::now();
            }
            const auto patience = std::chrono::ceil<std::chrono::milliseconds>(options_.timeout - (Clock::now() - since));
            if (patience.count() <= 0) {
                return CURLE_OPERATION_TIMEDOUT;
            }
            const auto most = std::min<std::chrono::milliseconds::rep>(patience.count(), std::numeric_limits<int>::max());
            check(curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(most), nullptr));
        }
    }

    /// How far the request is: when it was connected, and the bytes of the head and of the body that have come.
    [[nodiscard]] std::tuple<curl_off_t, long, curl_off_t> place() const {
        curl_off_t connected = 0;
        long head = 0;
        curl_off_t body = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &connected);
        curl_easy_getinfo(easy_.get(), CURLINFO_HEADER_SIZE, &head);
        curl_easy_getinfo(easy_.get(), CURLINFO_SIZE_DOWNLOAD_T, &body);
        return {connected, head, body};
    }

    [[nodiscard]] CURLcode result() const {
        int left = 0;
        const CURLMsg* message = curl_multi_info_read(multi_.get(), &left);
        return message == nullptr ? CURLE_FAILED_INIT : message->data.result;
    }

    /// libcurl calls it with each part of a body. No exception may pass through libcurl, which is C.
    static std::size_t on_body(char* data, std::size_t, std::size_t size, void* context) noexcept {
        auto& arriving = *static_cast<Arriving*>(context);
        const std::string_view part(data, size);
        try {
            if (!std::exchange(arriving.begun, true)) {
                arriving.receiver.begin(arriving.answer, part);
            }
            arriving.receiver.add(part);
            return size;
        } catch (...) {
            arriving.failure = std::current_exception();
            return 0;  // libcurl gives up
        }
    }

    Options options_;
    std::unique_ptr<CURLM, MultiCleanup> multi_;
    std::unique_ptr<CURL, EasyCleanup> easy_;
    std::vector<char> message_;  // on the heap, where libcurl finds it also after a move
};

}  // namespace weight_init::detail
