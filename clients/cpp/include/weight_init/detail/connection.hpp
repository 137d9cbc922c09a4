/// @file
/// Sends requests and receives responses with libcurl.
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

/// The result of one request.
struct Outcome {
    CURLcode code;
    std::string message;  // libcurl's description of an error
    Response response;
};

/// A connection to the service, which stays open between requests.
class Connection {
  public:
    explicit Connection(Options options)
        : options_(std::move(options)), multi_(curl_multi_init()), easy_(curl_easy_init()), message_(CURL_ERROR_SIZE) {
        if (multi_ == nullptr || easy_ == nullptr) {
            throw Error(0, "No libcurl", "Expected libcurl to initialize; it failed. Check the available memory.");
        }
        set(CURLOPT_PROTOCOLS_STR, "http,https");
        set(CURLOPT_NOSIGNAL, 1L);  // signal handlers are unsafe in a program with threads
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

    /// Sends a request once. The outcome describes a failed connection. Exceptions from the receiver propagate.
    Outcome send(const Request& request, std::vector<std::string> headers, Receiver& receiver) {
        headers.emplace_back("Accept-Encoding: identity");  // weights do not compress, and Content-Length must be the tensor's size
        if (request.body) {
            headers.emplace_back("Content-Type: application/json");
        }
        const Headers list = make_list(headers);
        Incoming incoming{receiver, Response(easy_.get())};
        prepare(request, list.get(), incoming);
        const CURLcode code = perform();
        if (incoming.exception != nullptr) {
            std::rethrow_exception(incoming.exception);
        }
        if (code == CURLE_OK && !incoming.has_begun) {  // an empty body triggers no callback
            receiver.begin(incoming.response, {});
        }
        return {code, message_.front() != '\0' ? message_.data() : curl_easy_strerror(code), incoming.response};
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

    /// The state that libcurl's callback needs.
    struct Incoming {
        Receiver& receiver;
        Response response;
        bool has_begun = false;
        std::exception_ptr exception = nullptr;
    };

    /// Adds a request to the multi handle, and removes it at the end of the scope.
    class ActiveRequest {
      public:
        ActiveRequest(CURLM* multi, CURL* easy) : multi_(multi), easy_(easy) { check(curl_multi_add_handle(multi, easy)); }
        ActiveRequest(const ActiveRequest&) = delete;
        ActiveRequest& operator=(const ActiveRequest&) = delete;
        ~ActiveRequest() { curl_multi_remove_handle(multi_, easy_); }

      private:
        CURLM* multi_;
        CURL* easy_;
    };

    static void check(CURLMcode code) {
        if (code != CURLM_OK) {
            throw Error(0, "libcurl Failed", std::string("Expected libcurl to succeed; it reports: ") + curl_multi_strerror(code) + ".");
        }
    }

    template <typename Value>
    void set(CURLoption option, Value value) {
        if (const CURLcode code = curl_easy_setopt(easy_.get(), option, value); code != CURLE_OK) {
            throw Error(0, "libcurl Failed", std::string("Expected libcurl 7.85 or newer; it reports: ") + curl_easy_strerror(code) + ".");
        }
    }

    static Headers make_list(const std::vector<std::string>& headers) {
        Headers list;
        for (const std::string& header : headers) {
            curl_slist* longer = curl_slist_append(list.get(), header.c_str());
            if (longer == nullptr) {
                throw std::bad_alloc();
            }
            static_cast<void>(list.release());  // the longer list owns its nodes
            list.reset(longer);
        }
        return list;
    }

    void prepare(const Request& request, curl_slist* headers, Incoming& incoming) {
        message_.front() = '\0';
        set(CURLOPT_URL, (options_.url.substr(0, options_.url.find_last_not_of('/') + 1) + request.path).c_str());
        set(CURLOPT_HTTPHEADER, headers);
        set(CURLOPT_WRITEDATA, &incoming);
        if (request.body) {
            set(CURLOPT_POSTFIELDS, request.body->c_str());
            set(CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body->size()));
        } else {
            set(CURLOPT_HTTPGET, 1L);
        }
    }

    /// Receives the whole response. The timeout applies to each part, because libcurl's own timeouts apply to the whole request or count
    /// in whole seconds.
    CURLcode perform() {
        const ActiveRequest active(multi_.get(), easy_.get());
        auto last_progress = progress();
        auto last_change = Clock::now();
        for (int running = 1;;) {
            check(curl_multi_perform(multi_.get(), &running));
            if (running == 0) {
                return result();
            }
            if (const auto current = progress(); current != last_progress) {
                last_progress = current;
                last_change = Clock::now();
            }
            const auto remaining = std::chrono::ceil<std::chrono::milliseconds>(options_.timeout - (Clock::now() - last_change));
            if (remaining.count() <= 0) {
                return CURLE_OPERATION_TIMEDOUT;
            }
            const auto wait = std::min<std::chrono::milliseconds::rep>(remaining.count(), std::numeric_limits<int>::max());
            check(curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(wait), nullptr));
        }
    }

    /// The progress of the request: the time of the connection, and the received bytes of headers and body.
    [[nodiscard]] std::tuple<curl_off_t, long, curl_off_t> progress() const {
        curl_off_t connected = 0;
        long headers = 0;
        curl_off_t body = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &connected);
        curl_easy_getinfo(easy_.get(), CURLINFO_HEADER_SIZE, &headers);
        curl_easy_getinfo(easy_.get(), CURLINFO_SIZE_DOWNLOAD_T, &body);
        return {connected, headers, body};
    }

    [[nodiscard]] CURLcode result() const {
        int remaining = 0;
        const CURLMsg* message = curl_multi_info_read(multi_.get(), &remaining);
        return message == nullptr ? CURLE_FAILED_INIT : message->data.result;
    }

    /// Receives each part of a body from libcurl. Exceptions must not pass through libcurl, which is C, so they are stored.
    static std::size_t on_body(char* data, std::size_t, std::size_t size, void* context) noexcept {
        auto& incoming = *static_cast<Incoming*>(context);
        const std::string_view part(data, size);
        try {
            if (!std::exchange(incoming.has_begun, true)) {
                incoming.receiver.begin(incoming.response, part);
            }
            incoming.receiver.add(part);
            return size;
        } catch (...) {
            incoming.exception = std::current_exception();
            return 0;  // makes libcurl abort the transfer
        }
    }

    Options options_;
    std::unique_ptr<CURLM, MultiCleanup> multi_;
    std::unique_ptr<CURL, EasyCleanup> easy_;
    std::vector<char> message_;  // on the heap, so that libcurl's pointer stays valid after a move
};

}  // namespace weight_init::detail
