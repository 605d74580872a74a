// The risk after each event is what a session says of the stay cut there, for every model that can be
// streamed, on real stays.
#include <torch/torch.h>

#include <cmath>
#include <numeric>
#include <set>

#include "engine/data/stay_source.h"
#include "engine/infer/session.h"
#include "engine/infer/weights.h"
#include "models/zoo.h"
#include "tests/engine/stream/stream_support.h"

namespace salus::stream {
namespace {

constexpr const char* kTransform = R"(
modality = "vitals"
source = "physionet2012"
[variables]
[[variables.variable]]
name = "HR"
range = [10, 300]
aggregate = "mean"
[[variables.variable]]
name = "Temp"
max_gap = 6
[[variables.variable]]
name = "GCS"
[[variables.variable]]
name = "Urine"
aggregate = "sum"
transform = "log1p"
[[variables.static]]
name = "Age"
[[variables.static]]
name = "ICUType"
categories = [1, 2, 3, 4]
)";

struct Variant {
  std::string name;
  bool per_step;
  std::map<std::string, double> options;
};
std::ostream& operator<<(std::ostream& out, const Variant& v) {
  return out << v.name << (v.per_step ? "PerStep" : "PerStay") << v.options.size();
}

Registry zoo() {
  Registry registry;
  register_zoo(registry);
  return registry;
}

class SessionEquality : public ::testing::TestWithParam<Variant> {
 protected:
  SessionEquality() : how_(Config::parse(kTransform, "transform")) {
    at::set_num_threads(1);  // the batches are small
    const std::string folder = test::data_path("vitals/physionet2012");
    raw_ = data::read_stays(Config::parse("root = '" + folder + "'\nstays = ['set-a']", "data"),
                            how_, 1);
    mapped_ = raw_;
    how_.variables().map(mapped_);
    std::vector<std::int64_t> all(mapped_.ids.size());
    std::iota(all.begin(), all.end(), 0);
    how_.fit(mapped_, all);
  }

  infer::Session session() const {
    infer::Bundle bundle = small_bundle({"death", "sepsis"}, how_.toml());
    bundle.model.name = GetParam().name;
    bundle.model.options = GetParam().options;
    bundle.model.options["hidden"] = 16;
    bundle.model.per_step = GetParam().per_step;
    bundle.model.variables = std::ssize(how_.variables().variables());
    bundle.model.statics = how_.static_width();
    bundle.model.steps = how_.steps();
    bundle.micro_batch = 64;
    torch::manual_seed(3);
    bundle.weights = infer::state_dict(*zoo().make(bundle.model));
    return {bundle, zoo(), "cpu"};
  }

  /// The stay cut after each of its events, as a table.
  io::VitalsTable prefixes(std::int64_t stay) const {
    io::VitalsTable cut;
    const auto begin = mapped_.offsets[static_cast<std::size_t>(stay)];
    const auto end = mapped_.offsets[static_cast<std::size_t>(stay) + 1];
    const auto width = std::ssize(mapped_.static_names);
    for (auto last = begin; last < end; ++last) {
      cut.ids.push_back(std::to_string(last));
      const auto append = [&](auto& to, const auto& from) {
        to.insert(to.end(), from.begin() + begin, from.begin() + last + 1);
      };
      append(cut.time, mapped_.time);
      append(cut.variable, mapped_.variable);
      append(cut.value, mapped_.value);
      cut.offsets.push_back(std::ssize(cut.time));
      const auto row = mapped_.statics.begin() + stay * width;
      cut.statics.insert(cut.statics.end(), row, row + width);
    }
    return cut;
  }

  /// Probabilities of the last step of each case, [N][L].
  static std::vector<std::vector<double>> batch(const infer::Session& session, const Batch& batch) {
    at::NoGradGuard no_grad;
    at::Tensor logits = session.model()->forward(batch);
    if (logits.dim() == 3) {
      const auto last = (batch.inputs.at("length") - 1).view({-1, 1, 1}).expand({-1, 1, 2});
      logits = logits.gather(1, last).squeeze(1);
    }
    const at::Tensor p = session.probabilities(logits).contiguous();
    std::vector<std::vector<double>> out;
    for (std::int64_t i = 0; i < p.size(0); ++i) {
      const double* row = p.const_data_ptr<double>() + i * p.size(1);
      out.emplace_back(row, row + p.size(1));
    }
    return out;
  }

  data::StayTransform how_;
  io::VitalsTable raw_, mapped_;
};

TEST_P(SessionEquality, HoldsAtEveryPrefixOfRealStays) {
  const infer::Session session = this->session();
  const auto model = std::make_shared<StreamModel>(session);
  const at::Tensor statics = how_.statics(mapped_, {0, 1, 2});
  std::size_t compared = 0, from_session = 0;
  std::set<double> said;
  for (std::int64_t stay = 0; stay < 3; ++stay) {
    const io::VitalsTable cut = prefixes(stay);
    std::vector<std::int64_t> all(cut.ids.size());
    std::iota(all.begin(), all.end(), 0);
    if (all.empty()) continue;
    const Batch inputs = how_.inputs(cut, all);
    const auto expected = batch(session, inputs);
    std::vector<infer::Prediction> predictions;
    if (!GetParam().per_step) predictions = session.predict(inputs);
    const float* row = statics.const_data_ptr<float>() + stay * statics.size(1);
    VitalsStream stream(model, {row, static_cast<std::size_t>(statics.size(1))});
    auto e = raw_.offsets[static_cast<std::size_t>(stay)];
    for (std::size_t i = 0; i < expected.size(); ++i, ++e) {
      const auto at = static_cast<std::size_t>(e);
      const auto& name = raw_.variables[static_cast<std::size_t>(raw_.variable[at])];
      const Risk& risk = stream.push({raw_.time[at], name.name, raw_.value[at], name.unit});
      for (std::size_t label = 0; label < 2; ++label) {
        ASSERT_NEAR(risk.probabilities[label], expected[i][label], 1e-6) << "event " << i;
        if (predictions.empty()) continue;
        ASSERT_NEAR(risk.probabilities[label], predictions[i].probabilities[label], 1e-6);
        ++from_session;
      }
      said.insert(risk.probabilities[0]);
      ++compared;
    }
  }
  EXPECT_GT(compared, 500U);
  EXPECT_GT(said.size(), compared / 5);
  EXPECT_EQ(from_session > 0, !GetParam().per_step);
}

TEST_P(SessionEquality, HoldsForAStayWithoutEvents) {
  const infer::Session session = this->session();
  VitalsStream stream(std::make_shared<StreamModel>(session));
  if (GetParam().per_step) {
    EXPECT_TRUE(std::isnan(stream.risk().probabilities[0])) << "there is no step to speak of";
    EXPECT_EQ(stream.risk().decisions[0], -1);
    return;
  }
  io::VitalsTable empty;
  empty.ids = {"a"};
  empty.offsets = {0, 0};
  how_.variables().map(empty);
  const auto expected = session.predict(how_.inputs(empty, {0})).at(0).probabilities;
  EXPECT_NEAR(stream.risk().probabilities[0], expected[0], 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Zoo, SessionEquality,
                         ::testing::Values(Variant{"gru", false, {}},
                                           Variant{"gru", false, {{"summary", 1}}},
                                           Variant{"gru", true, {}}, Variant{"lstm", false, {}},
                                           Variant{"lstm", true, {}}, Variant{"gru_d", false, {}},
                                           Variant{"gru_d", true, {}}, Variant{"tcn", false, {}},
                                           Variant{"transformer", false, {}}));

TEST(SessionRefusal, AModelThatLooksAheadIsRefused) {
  infer::Bundle bundle = small_bundle({"death", "sepsis"});
  bundle.model.name = "gru";
  bundle.model.options = {{"hidden", 4}, {"bidirectional", 1}};
  bundle.model.variables = 6;
  bundle.model.statics = 2;
  bundle.model.steps = 8;
  bundle.weights = infer::state_dict(*zoo().make(bundle.model));
  const infer::Session session(bundle, zoo(), "cpu");
  SALUS_EXPECT_ERROR(StreamModel{session}, ::testing::HasSubstr("looks ahead"));
}

}  // namespace
}  // namespace salus::stream
